---@meta skynet.datacenter

--- A tree of values that every service of the host reads and writes by their keys, outermost first.
local datacenter = {}

--- The value at a place, or nil.
---@param ... any
---@return any
function datacenter.get(...) end

--- Writes a place: its keys, then the value. Returns the value before.
---@param ... any
---@return any
function datacenter.set(...) end

--- The value at a place, once there is one.
---@param ... any
---@return any
function datacenter.wait(...) end

return datacenter
