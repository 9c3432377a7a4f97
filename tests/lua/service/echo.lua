-- A service for the suites: answers, fails, waits, and tells what it saw.

local hive = require "hive"

local seen = {}
local held

local handlers = {
  echo = function(...)
    return ...
  end,
  fail = function(message)
    error(message, 0)
  end,
  raise = function(code, message)
    error { code = code, message = message }
  end,
  close_itself = function()
    coroutine.close(coroutine.running())
  end,
  fail_deep = function(target)
    return target:fail "deep"
  end,
  call_dead = function(target)
    return target:echo()
  end,
  sleep = function(seconds)
    hive.sleep(seconds)
    return "slept"
  end,
  -- Keeps the worker busy.
  compute = function(seconds)
    -- Not by the clock of the process, which other threads advance as well.
    local deadline = hive.now() + seconds
    while hive.now() < deadline do
    end
  end,
  exit_after_fork = function(witness)
    hive.fork(function()
      hive.send(witness, "note", "ran")
    end)
    hive.exit "enough"
  end,
  note = function(value)
    seen[#seen + 1] = value
  end,
  -- Sends what a file of data holds and has never been looked at.
  send_data = function(path, target)
    local data = assert(loadfile(path))()
    local sent, sending = pcall(hive.send, target, "note", data)
    local called, calling = pcall(hive.call, target, "echo", data)
    return sent, tostring(sending), called, tostring(calling), target:echo "after"
  end,
  seen = function()
    local list = seen
    seen = {}
    return list
  end,
  caller = function()
    return hive.caller()
  end,
  hold = function()
    held = hive.defer()
  end,
  release = function(...)
    return held(...)
  end,
  fail_held = function(err)
    return held:error(err)
  end,
  yield = function()
    pcall(coroutine.yield, 1)
  end,
  forget = function()
    hive.defer()
  end,
  drop = function()
    held = nil
    collectgarbage()
    collectgarbage()
  end,
  answer_function = function()
    return print
  end,
  exit = function(reason)
    hive.exit(reason)
  end,
  loop = function()
    while true do
    end
  end,
  text = function(size)
    return ("x"):rep(size)
  end,
  ask_for_size = function(target, size)
    return #target:text(size)
  end,
  ask = function(target, method, ...)
    return target[method](target, ...)
  end,
  remaining = function(target, seconds)
    return pcall(target.sleep, target, seconds)
  end,
  stats = function()
    return hive.stats()
  end,
  memory = function()
    return collectgarbage "count"
  end,
}

for i = 1, 12 do
  handlers[("method_%d"):format(i)] = function(n)
    return i * n
  end
end

return handlers
