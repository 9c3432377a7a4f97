-- The module `skynet.mqueue`: messages that are handled one after the other, each when the one
-- before it is done. `skynet.queue` does that for any part of a handler.

local queue = require "skynet.queue"
local skynet = require "skynet"

local mqueue = {}

local enter = queue()
-- What handles messages, once it is registered, and how many wait for it.
local handler
local count = 0

local function handle(...)
  while not handler do
    skynet.wait(mqueue)
  end
  count = count - 1
  return handler(...)
end

skynet.register_protocol {
  name = "queue",
  id = skynet.PTYPE_QUEUE,
  pack = skynet.pack,
  unpack = skynet.unpack,
  dispatch = function(_, _, ...)
    count = count + 1
    skynet.retpack(enter(handle, ...))
  end,
}

-- Sets the function that gets the messages, also those that have come already; what it returns is
-- the answer.
function mqueue.register(f)
  assert(type(f) == "function", "the handler of a queue is a function")
  assert(not handler, "this queue has a handler already")
  handler = f
  skynet.wakeup(mqueue)
end

-- Calls the handler of another service.
function mqueue.call(address, ...)
  return skynet.call(address, "queue", ...)
end

-- The same without an answer.
function mqueue.send(address, ...)
  return skynet.send(address, "queue", ...)
end

-- How many messages wait.
function mqueue.size()
  return count
end

return mqueue
