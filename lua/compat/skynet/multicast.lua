-- The module `skynet.multicast`: channels, on which one service tells many.

local skynet = require "skynet"

local multicast = {}

local Channel = {}
Channel.__index = Channel

function Channel:__tostring()
  return ("[Multicast:%s]"):format(self.channel or "deleted")
end

-- Subscribed channels by their numbers.
local subscribed = {}

skynet.register_protocol {
  name = "multicast",
  id = skynet.PTYPE_MULTICAST,
  -- Whoever publishes names the channel in the place of a session.
  dispatch = function(number, source, msg, sz)
    local channel = subscribed[number]
    if channel then
      channel.__dispatch(channel, source, channel.__unpack(msg, sz))
    end
  end,
}

-- A channel: a new one, or the one whose number the field `channel` holds. What is published after
-- `subscribe` is handed to `dispatch(channel, source, ...)`.
function multicast.new(options)
  options = options or {}
  local channel = {
    channel = options.channel or skynet.call(".multicast", "lua", "new"),
    __dispatch = options.dispatch,
    __pack = options.pack or skynet.packstring,
    __unpack = options.unpack or skynet.unpack,
  }
  return setmetatable(channel, Channel)
end

local function number_of(self)
  return self.channel or error("the channel is deleted", 3)
end

function Channel:delete()
  local number = number_of(self)
  skynet.send(".multicast", "lua", "delete", number)
  subscribed[number] = nil
  self.channel, self.__subscribed = nil, nil
end

-- Tells all subscribers; returns once every one of them has the message in its mailbox.
function Channel:publish(...)
  local number = number_of(self)
  local message = skynet.tostring(self.__pack(...))
  skynet.call(".multicast", "lua", "publish", number, message)
end

function Channel:subscribe()
  local number = number_of(self)
  if not self.__subscribed then
    assert(self.__dispatch, "a channel needs dispatch to be subscribed")
    subscribed[number] = self
    skynet.call(".multicast", "lua", "subscribe", number)
    self.__subscribed = true
  end
end

function Channel:unsubscribe()
  local number = number_of(self)
  if self.__subscribed then
    skynet.send(".multicast", "lua", "unsubscribe", number)
    subscribed[number] = nil
    self.__subscribed = nil
  end
end

return multicast
