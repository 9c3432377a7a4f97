---@meta sprotoloader

--- Schemas in numbered slots (0 to 127), parsed once and shared by all services of the process.
---@class sprotoloader
local sprotoloader = {}

--- Parses a file into a slot.
---@param filename string
---@param slot? integer 0 by default
function sprotoloader.register(filename, slot) end

--- Puts a schema, given as its bytes, into a slot. Services that loaded the one before keep it.
---@param bytes string
---@param slot? integer
function sprotoloader.save(bytes, slot) end

--- The schema in a slot.
---@param slot? integer
---@return sproto
function sprotoloader.load(slot) end

return sprotoloader
