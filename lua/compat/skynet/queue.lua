-- The module `skynet.queue`: critical sections. Functions that go through one queue run one after
-- the other, in the order of arrival; within a section the same task may enter it again.

local skynet = require "skynet"
local error, xpcall = error, xpcall
local running, traceback = coroutine.running, debug.traceback

-- Leaves a section when the function has returned or raised an error.
local Section = {}

function Section:__close()
  local queue = self.queue
  queue.depth = queue.depth - 1
  if queue.depth == 0 then
    queue.owner = nil
    -- The next one is the owner from now on, so that nobody overtakes it.
    local next_one = table.remove(queue, 1)
    if next_one then
      queue.owner = next_one
      skynet.wakeup(next_one)
    end
  end
end

-- Takes a coroutine that is gone out of the queue.
local Place = {}

function Place:__close()
  if not self.entered then
    for i, co in ipairs(self.queue) do
      if co == self.co then
        table.remove(self.queue, i)
        return
      end
    end
    -- It was its turn already: the section is left at once.
    if self.queue.owner == self.co then
      self.queue.depth = 1
      Section.__close(self)
    end
  end
end

local function enter(queue, co)
  if queue.owner == nil then
    queue.owner = co
  elseif queue.owner ~= co then
    local place <close> = setmetatable({ queue = queue, co = co }, Place)
    queue[#queue + 1] = co
    repeat
      skynet.wait(co)
    until queue.owner == co
    place.entered = true
  end
  queue.depth = queue.depth + 1
end

-- What the function returned, or its error: a text has the traceback behind it, as on skynet.
local function outcome(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

-- Makes a queue: a function that calls what it is given inside the section.
return function()
  local queue = { depth = 0 }
  return function(f, ...)
    enter(queue, running())
    local _ <close> = setmetatable({ queue = queue }, Section)
    return outcome(xpcall(f, traceback, ...))
  end
end
