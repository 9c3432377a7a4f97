-- What a skynet service can tell of its own tasks, and how it ends one.

local skynet = ...
local core = require "skynet.core"
local traceback = debug.traceback

-- Sessions in a line of `uniqtask`; more of them are only counted.
local SESSIONS_SHOWN_MAX = 10

-- Where a task stands that a timer will begin.
local TIMER = "stack traceback:\n\t[timer]"

-- Calls `visit` with each task that waits or that a timer will begin, and its session.
local function each(visit)
  for session, co in pairs(core.tasks()) do
    visit(co, session)
  end
  for number, timer in pairs(core.timers()) do
    visit(timer, number)
  end
end

-- Where such a task stands. A text, so only for those that somebody wants to see.
local function place_of_task(task)
  return type(task) == "thread" and traceback(task) or TIMER
end

local function count_waiting()
  local count = 0
  each(function()
    count = count + 1
  end)
  return count
end

local function label(task, session)
  return ("%s session: %d"):format(task, session)
end

local function fill(tasks)
  each(function(task, session)
    tasks[label(task, session)] = place_of_task(task)
  end)
end

local function session_of(wanted)
  local found
  wanted = core.coroutine(wanted) or wanted
  each(function(task, session)
    found = task == wanted and session or found
  end)
  if found then
    return found
  end
end

local function place_of(wanted)
  local found
  each(function(task, session)
    found = session == wanted and place_of_task(task) or found
  end)
  return found or "No session"
end

-- Without an argument the number of tasks that wait, those of timers included. For a table, fills
-- it with their tracebacks by coroutine and session; for a session its traceback; for a coroutine
-- or a timer its session; for "init" the traceback of the start function while that runs. No value
-- for what is none of these.
function skynet.task(what)
  local kind = type(what)
  if what == nil then
    return count_waiting()
  elseif what == "init" then
    local co = core.starter()
    return co and traceback(co)
  elseif kind == "table" then
    fill(what)
  elseif kind == "thread" or kind == "userdata" then
    return session_of(what)
  elseif tonumber(what) then
    return place_of(tonumber(what))
  end
end

-- The tracebacks of the tasks that wait, each once, by how many and which sessions wait there.
function skynet.uniqtask()
  local sessions = {}
  each(function(task, session)
    local place = place_of_task(task)
    sessions[place] = sessions[place] or {}
    table.insert(sessions[place], session)
  end)
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
    local found
    each(function(task)
      found = not found and tostring(task):find(what, 1, true) and task or found
    end)
    what = found
  end
  if what and core.kill_task(what) then
    return what
  end
end

-- Sets the function that answers the debugging command INFO.
function skynet.info_func(f)
  require("skynet.debug").info_func(f)
end

-- A name of old.
skynet.pcall = pcall
