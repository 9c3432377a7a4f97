---@meta skynet.datacenter

--- A tree of values that every service of the host reads and writes by their keys, outermost first.
local datacenter = {}

--- The value at a place, or nil. A nil among the keys ends them. A place inside a value that is no
--- table is an error.
---@param ... any
---@return any
function datacenter.get(...) end

--- Writes a place: its keys, then the value. Returns the value before, none for a new one.
---@param ... any
---@return any
function datacenter.set(...) end

--- The value at a place, once there is one. An error if the place becomes a branch, and at once if
--- somebody waits for a place on the way to it or inside it.
---@param ... any
---@return any
function datacenter.wait(...) end

return datacenter
