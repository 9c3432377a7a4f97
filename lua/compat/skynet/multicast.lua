-- The module `skynet.multicast`: channels, on which one service tells many at once.
--
-- What is published goes straight from the publisher into the mailboxes of the subscribers, which
-- share one copy of it. A subscriber that ends is none any more.

local skynet = require "skynet"
local core = require "skynet.multicast.core"

local multicast = {}

local Channel = {}
Channel.__index = Channel

-- Channels that this service has subscribed to, by their numbers.
local subscribed = {}

skynet.register_protocol {
  name = "multicast",
  id = skynet.PTYPE_MULTICAST,
  -- The channel comes in the place of a session.
  dispatch = function(number, source, msg, sz)
    local channel = subscribed[number]
    -- What was published before its end may come after it.
    if channel then
      local dispatch = channel.__dispatch or error(tostring(channel) .. " has no `dispatch`", 0)
      dispatch(channel, source, channel.__unpack(msg, sz))
    end
  end,
}

local function number_of(channel)
  return channel.channel or error("this channel was deleted", 3)
end

-- A new channel, or with the field `channel` the one of that number. What is published is given to
-- `dispatch(channel, source, ...)` once `subscribe` was called. `pack` and `unpack` replace those
-- of the module `skynet`.
function multicast.new(options)
  options = options or {}
  local channel = options.channel or core.new()
  local number = type(channel) == "number" and math.tointeger(channel)
  if not number then
    local text = "bad argument #1 to 'multicast.new' (its field `channel` is an integer, got %s)"
    error(text:format(math.type(channel) or type(channel)), 2)
  end
  return setmetatable({
    channel = number,
    __dispatch = options.dispatch,
    __pack = options.pack or skynet.pack,
    __unpack = options.unpack or skynet.unpack,
  }, Channel)
end

-- Tells all subscribers. If this service is one of them, it has heard when this returns, as where a
-- service in between passes on what is published.
function Channel:publish(...)
  local number = number_of(self)
  core.publish(number, self.__pack(...))
  if subscribed[number] then
    skynet.yield()
  end
end

-- Has this service get what is published from now on. Without `dispatch`, what comes is an error.
function Channel:subscribe()
  local number = number_of(self)
  if subscribed[number] ~= self then
    core.subscribe(number)
    subscribed[number] = self
  end
end

function Channel:unsubscribe()
  local number = self.channel
  if number and subscribed[number] == self then
    subscribed[number] = nil
    core.unsubscribe(number)
  end
end

-- Ends the channel for all its subscribers. This object cannot be used any more.
function Channel:delete()
  local number = number_of(self)
  subscribed[number] = nil
  self.channel = nil
  core.delete(number)
end

function Channel:__tostring()
  return ("[Multicast:%x]"):format(self.channel or 0)
end

return multicast
