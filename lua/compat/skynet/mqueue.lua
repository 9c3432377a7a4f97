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
  dispatch = function(session, _, ...)
    count = count + 1
    if session == 0 then
      -- Nobody is told of an error but the log.
      return enter(handle, ...)
    end
    skynet.retpack(pcall(enter, handle, ...))
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

local function answer_or_raise(is_done, ...)
  if is_done then
    return ...
  end
  error((...), 0)
end

-- Calls the handler of another service. What that raises is raised here, be it a table.
function mqueue.call(address, ...)
  return answer_or_raise(skynet.call(address, "queue", ...))
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
