-- What a skynet service can tell of its own tasks, and how it ends one.

local skynet = ...
local core = require "skynet.core"
local traceback = debug.traceback

-- Sessions in a line of `uniqtask`; more of them are only counted.
local SESSIONS_SHOWN_MAX = 10

local function count_waiting()
  local count = 0
  for _ in pairs(core.tasks()) do
    count = count + 1
  end
  return count
end

local function fill(tasks)
  for session, co in pairs(core.tasks()) do
    tasks[("%s session: %d"):format(co, session)] = traceback(co)
  end
end

local function session_of(thread)
  for session, co in pairs(core.tasks()) do
    if co == thread then
      return session
    end
  end
end

-- Without an argument the number of tasks that wait. For a table, fills it with their tracebacks by
-- coroutine and session; for a session its traceback; for a coroutine its session; for "init" the
-- traceback of the start function while that runs.
function skynet.task(what)
  local kind = type(what)
  if what == nil then
    return count_waiting()
  elseif what == "init" then
    local co = core.starter()
    return co and traceback(co)
  elseif kind == "table" then
    fill(what)
  elseif kind == "thread" then
    return session_of(what)
  else
    local co = core.tasks()[tonumber(what) or 0]
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
    local shown = table.concat(list, ",", 1, math.min(#list, SESSIONS_SHOWN_MAX))
    local more = #list > SESSIONS_SHOWN_MAX and "..." or ""
    tasks[("%d\tsessions:[%s%s]"):format(#list, shown, more)] = place
  end
  return tasks
end

-- Ends a task that does not run: its coroutine is closed, and whoever waits for its answer is told.
-- It is named by its coroutine, by what `timeout` returned, or, if it waits, by a part of the
-- coroutine's name. Returns the coroutine or the timer; nothing if there is no such task.
function skynet.killthread(what)
  if type(what) == "string" then
    for _, co in pairs(core.tasks()) do
      if tostring(co):find(what, 1, true) then
        return core.kill_task(co) and co or nil
      end
    end
  elseif core.kill_task(what) then
    return what
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
