-- The module `skynet.profile`: how long coroutines run, without the time in which their task waits.
--
-- Each has a clock of its own. That of a task's coroutine goes whenever the task runs; that of
-- another one while `resume` of this module runs it, and from `start` if it runs by then.

local native = ...
local begin_watch, end_watch, read_watch = native.begin_watch, native.end_watch, native.read_watch
local close, create, resume = coroutine.close, coroutine.create, coroutine.resume
local running, status, yield = coroutine.running, coroutine.status, coroutine.yield

-- The clocks by their coroutines: `passed`, in seconds, and the number of the `watch` that goes on
-- from there. The host takes a watch away with its task.
local clocks = setmetatable({}, { __mode = "k" })

local profile = {}

-- The watch for a coroutine whose clock begins: none for one that runs later.
local function watch_for(co)
  if co == running() then
    return begin_watch()
  end
  return begin_watch(co) or status(co) == "normal" and begin_watch() or nil
end

-- The clock of a coroutine; nothing for one that has none, or whose task has ended with it.
local function clock_of(co)
  local clock = clocks[co or running()]
  return clock and (not clock.watch or read_watch(clock.watch)) and clock
end

-- Begins to measure a coroutine, by default the running one.
function profile.start(co)
  co = co or running()
  assert(type(co) == "thread", "expected a coroutine")
  assert(not clock_of(co), "this coroutine is being profiled already")
  clocks[co] = { passed = 0, watch = watch_for(co) }
end

local function started(co)
  return clock_of(co) or error("call profile.start() first", 3)
end

-- Seconds that the coroutine has run since; the measurement goes on.
function profile.elapsed(co)
  local clock = started(co)
  return clock.passed + (clock.watch and read_watch(clock.watch) or 0)
end

local function pause(clock)
  if clock and clock.watch then
    clock.passed, clock.watch = clock.passed + (end_watch(clock.watch) or 0), nil
  end
end

-- The same, and ends the measurement.
function profile.stop(co)
  local clock = started(co)
  pause(clock)
  clocks[co or running()] = nil
  return clock.passed
end

local function resumed(clock, ...)
  pause(clock)
  return ...
end

-- As Lua's own; the clock of the coroutine goes meanwhile.
function profile.resume(co, ...)
  local clock = clocks[co]
  if not clock or clock.watch then
    return resume(co, ...)
  end
  clock.watch = begin_watch()
  return resumed(clock, resume(co, ...))
end

function profile.yield(...)
  pause(clocks[running()])
  return yield(...)
end

local function pass(co, ok, ...)
  if ok then
    return ...
  end
  close(co)
  error(..., 0)
end

function profile.wrap(f)
  local co = create(f)
  return function(...)
    return pass(co, profile.resume(co, ...))
  end
end

-- The same for a coroutine that runs inside the task of another one, whose clock goes on.
function profile.resume_co(co, _, ...)
  return profile.resume(co, ...)
end

function profile.yield_co(_, ...)
  return profile.yield(...)
end

-- A watch of the running task, for services of the host: they leave the clock to the program.
profile.begin_watch, profile.end_watch = begin_watch, end_watch

return profile
