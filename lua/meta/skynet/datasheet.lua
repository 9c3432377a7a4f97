---@meta skynet.datasheet

--- Tables that `skynet.datasheet.builder` has made; what services hold of them follows their updates.
local datasheet = {}

--- The data of that name, which cannot be written to. It is an error if there is none.
---@param name string
---@return table
function datasheet.query(name) end

return datasheet
