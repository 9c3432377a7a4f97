---@meta skynet.mqueue

--- Messages that are handled one after the other.
local mqueue = {}

--- Sets the function that handles them; what it returns is the answer.
---@param f fun(...: any): any
function mqueue.register(f) end

--- Calls the function that another service has registered.
---@param address skynet.Address
---@param ... any
---@return any ...
function mqueue.call(address, ...) end

--- The same without an answer.
---@param address skynet.Address
---@param ... any
function mqueue.send(address, ...) end

--- How many messages wait for the function of this service.
---@return integer
function mqueue.size() end

return mqueue
