---@meta skynet.datasheet.builder

--- Makes the tables that `skynet.datasheet` reads.
local builder = {}

--- Makes a data sheet from a table, or from what `compile` made of one.
---@param name string
---@param value table | string
function builder.new(name, value) end

--- Replaces a data sheet that this service has made, for everybody who reads it.
---@param name string
---@param value table | string
function builder.update(name, value) end

--- A table as a text, which another service may give to `new` and `update`.
---@param value table
---@return string
function builder.compile(value) end

return builder
