---@meta skynet.multicast

--- Channels, on which one service tells many.
local multicast = {}

---@class skynet.Channel
---@field channel? integer its number, by which other services find it
local Channel = {}

--- A channel: a new one, or the one of that number.
---@param options? { channel?: integer, dispatch?: fun(channel: skynet.Channel, source: integer, ...: any), pack?: function, unpack?: function }
---@return skynet.Channel
function multicast.new(options) end

--- Tells all subscribers; returns once every one of them has the message in its mailbox.
---@param ... any
function Channel:publish(...) end

--- Has `dispatch` called with what is published from now on.
function Channel:subscribe() end

--- Ends that.
function Channel:unsubscribe() end

--- Ends the channel for everybody.
function Channel:delete() end

return multicast
