-- hive.queue: sections of code that only one task of the service is in at a time, also while it
-- waits.
--
-- A part of the module `hive`, loaded when it is first used. Whoever leaves hands the section over
-- to the task that has waited longest; one that gives up waiting (deadline, cancel) is passed.

local hive, native = ...
local running_task = native.task
local wait, wakeup = hive.wait, hive.wakeup

-- A queue is a list of tickets, from `first` to `last`; `owner` is the task inside. A ticket is a
-- task's place in it, and its token while it waits.
local Ticket = {}
Ticket.__index = Ticket

-- The task leaves the section, or gives up waiting for it.
function Ticket:__close()
  local queue = self.queue
  if queue.owner ~= self.task then
    self.is_gone = true
    return
  end
  while queue.first <= queue.last do
    local first = queue.first
    local ticket = queue[first]
    queue[first], queue.first = nil, first + 1
    if not ticket.is_gone then
      queue.owner = ticket.task
      if wakeup(ticket) then
        return
      end
    end
  end
  queue.owner = nil
end

-- A new critical section: a function that runs `f` once no other task is inside. A task that is
-- inside already goes on at once.
function hive.queue()
  local queue = { first = 1, last = 0 }
  return function(f, ...)
    local task = running_task()
    if queue.owner == task then
      return f(...)
    end
    local ticket <close> = setmetatable({ queue = queue, task = task }, Ticket)
    if queue.owner then
      queue.last = queue.last + 1
      queue[queue.last] = ticket
      wait(ticket)
    else
      queue.owner = task
    end
    return f(...)
  end
end
