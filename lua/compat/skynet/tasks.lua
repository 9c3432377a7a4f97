-- What a skynet service can tell of its own tasks, and how it ends one.

local skynet = ...
local core = require "skynet.core"
local traceback = debug.traceback

-- Without an argument the number of tasks that wait; for a table, fills it with their tracebacks by
-- session; for a session or a coroutine, the traceback of that one.
function skynet.task(what)
  local waiting = core.tasks()
  if what == nil then
    local count = 0
    for _ in pairs(waiting) do
      count = count + 1
    end
    return count
  elseif type(what) == "table" then
    for session, co in pairs(waiting) do
      what[session] = traceback(co)
    end
  elseif type(what) == "thread" then
    return traceback(what)
  else
    local co = waiting[tonumber(what)]
    return co and traceback(co) or "No session"
  end
end

-- The tracebacks of the tasks that wait, each once, by how many and which sessions wait there.
function skynet.uniqtask()
  local sessions = {}
  for session, co in pairs(core.tasks()) do
    local place = traceback(co)
    sessions[place] = sessions[place] or {}
    table.insert(sessions[place], session)
  end
  local tasks = {}
  for place, list in pairs(sessions) do
    table.sort(list)
    tasks[("%d session : {%s}"):format(#list, table.concat(list, ","))] = place
  end
  return tasks
end

-- Ends a task that waits: what it waits in raises an error. It is named by its coroutine, or by a
-- part of that one's name. Returns the name, or nothing if no such task waits.
function skynet.killthread(what)
  for session, co in pairs(core.tasks()) do
    local name = tostring(co)
    if co == what or (type(what) == "string" and name:find(what, 1, true)) then
      if core.cancel(session) then
        return name
      end
    end
  end
end

-- Sets the function that answers the debugging command INFO.
function skynet.info_func(f)
  require("skynet.debug").info_func(f)
end

-- Calls `f` and returns whether it succeeded; an error comes with its traceback.
function skynet.pcall(f, ...)
  return xpcall(f, traceback, ...)
end
