-- Several calls at once: outcomes in the order in which they come, errors of each call, cancelling.

local check = require "check"
local hive = require "hive"
local latch = require "latch"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local echo = hive.spawn "service.echo"
local other = hive.spawn "service.echo"

test("outcomes come in the order in which the calls end", function()
  local order = {}
  for key, ok, result in
    hive.select {
      slow = { echo, "sleep", 0.04 },
      quick = { other, "echo", "at once" },
      middle = { echo, "sleep", 0.02 },
    }
  do
    equal(ok, true)
    order[#order + 1] = key .. "=" .. result
  end
  equal(table.concat(order, " "), "quick=at once middle=slept slow=slept")
end)

test("requests are sent at once and in order", function()
  local calls = hive.select { { echo, "note", "first" } }
  hive.send(echo, "note", "second")
  calls:add(2, { echo, "note", "third" })
  hive.gather { { echo, "echo" } }
  equal(table.concat(echo:seen(), " "), "first second third")
end)

test("the calls of a list go out in its order", function()
  -- A list whose constructor names its keys lies in its table as names do: there 7 comes first.
  local list = {
    [1] = { echo, "note", 1 },
    [2] = { echo, "note", 2 },
    [3] = { echo, "note", 3 },
    [4] = { echo, "note", 4 },
    [5] = { echo, "note", 5 },
    [6] = { echo, "note", 6 },
    [7] = { echo, "note", 7 },
  }
  for _, calls in ipairs { list, table.move(list, 1, 7, 1, {}) } do
    hive.gather(calls)
    equal(table.concat(echo:seen(), " "), "1 2 3 4 5 6 7")
    for _, ok in hive.select(calls) do
      equal(ok, true)
    end
    equal(table.concat(echo:seen(), " "), "1 2 3 4 5 6 7")
  end
end)

test("calls beside a list are made once, as are those behind a gap", function()
  local calls = { { echo, "note", 1 }, [3] = { echo, "note", 3 }, last = { echo, "note", "x" } }
  hive.gather(calls)
  local seen = echo:seen()
  equal(#seen, 3)
  equal(seen[1], 1)
end)

test("each call has its own error", function()
  local dead = hive.spawn "service.echo"
  hive.kill(dead)
  local answers, errors = hive.gather {
    good = { echo, "echo", 1, nil, 3, n = 5 },
    dead = { dead, "echo" },
    failing = { echo, "fail", "boom" },
    late = { echo, "sleep", 5, timeout = 0.01 },
    unknown = { "nobody.has.this.name", "echo" },
    unsendable = { echo, "echo", print },
  }
  equal(answers.good.n, 3)
  equal(answers.good[3], 3)
  equal(next(answers, next(answers)), nil)
  equal(errors.dead.code, "dead")
  equal(errors.failing.code, "error")
  equal(errors.failing.message, "boom")
  match(errors.failing.traceback, "echo.lua")
  equal(errors.late.code, "timeout")
  match(errors.late.message, "call of `sleep` to service%.echo")
  equal(errors.unknown.code, "not_found")
  equal(errors.unsendable.code, "argument")
end)

test("without a failure there is no table of errors", function()
  local answers, errors = hive.gather { { echo, "echo", "a" }, { other, "echo", "b" } }
  equal(errors, nil)
  equal(answers[1][1] .. answers[2][1], "ab")
  equal(next(hive.gather {}), nil)
end)

test("a time for all holds for calls without their own", function()
  local began = hive.now()
  local _, errors =
    hive.gather({ { echo, "sleep", 5 }, { echo, "sleep", 0.03, timeout = 1 } }, 0.01)
  assert(hive.now() - began < 2)
  equal(errors[1].code, "timeout")
  equal(errors[2], nil)
end)

test("calls have no more time than the task that makes them", function()
  local ok, err = pcall(hive.timeout, 0.03, function()
    local _, errors = hive.gather { { echo, "sleep", 5 }, { other, "sleep", 5, timeout = 9 } }
    equal(errors[1].code, "timeout")
    equal(errors[2].code, "timeout")
    hive.sleep(5)
  end)
  equal(ok, false)
  equal(err.code, "timeout")
end)

test("leaving the loop cancels what is left", function()
  local tasks = hive.stats().own_tasks
  local outcomes = 0
  for key in hive.select { { echo, "echo" }, { echo, "sleep", 0.02 }, { other, "hold" } } do
    equal(key, 1)
    outcomes = outcomes + 1
    if outcomes == 1 then
      break
    end
  end
  equal(hive.stats().own_tasks, tasks)
  hive.sleep(0.03)
  equal(echo:echo "still right", "still right")
end)

test("calls can be added while others are under way", function()
  local calls <close> = hive.select { { echo, "echo", 1 } }
  local sum = 0
  for _, ok, value in calls do
    equal(ok, true)
    sum = sum + value
    if value < 5 then
      calls:add(value + 1, { echo, "echo", value + 1 })
    end
  end
  equal(sum, 15)
  equal(calls(), nil)
end)

test("several tasks may take outcomes", function()
  local calls = hive.select()
  for i = 1, 10 do
    calls:add(i, { echo, "sleep", 0.001 * i })
  end
  local taken, readers = 0, latch.new(3)
  for _ = 1, 3 do
    hive.fork(function()
      while calls() do
        taken = taken + 1
      end
      readers:done()
    end)
  end
  readers:wait()
  equal(taken, 10)
end)

test("cancelling wakes who waits for an outcome", function()
  local calls = hive.select { { echo, "sleep", 5 } }
  local woken = {}
  hive.fork(function()
    hive.wakeup(woken, calls() == nil)
  end)
  hive.fork(function()
    calls:cancel()
  end)
  local _, was_nil = hive.wait(woken)
  equal(was_nil, true)
end)

test("the end of a callee ends its call alone", function()
  local victim = hive.spawn "service.echo"
  hive.after(0.01, hive.kill, victim, "by the test")
  local answers, errors = hive.gather { { victim, "hold" }, { echo, "sleep", 0.02 } }
  equal(errors[1].code, "dead")
  match(errors[1].message, "by the test")
  equal(answers[2][1], "slept")
end)

test("a call that is none is refused with its key", function()
  refuses("call 2: expected { target, method, %.%.%. }, got number", hive.select, {
    { echo, "echo" },
    5,
  })
  refuses("call a: service or name expected", hive.gather, { a = { 5, "echo" } })
  refuses("call a: method name expected", hive.gather, { a = { echo } })
  refuses("call b: expected 0 to", hive.gather, { b = { echo, "echo", timeout = -1 } })
end)

test("bad arguments are told at the line of the call, by the name of what was called", function()
  local function at(line, text)
    return ("select%%.lua:%d: bad argument %s"):format(line, text)
  end
  local line = debug.getinfo(1, "l").currentline
  refuses(at(line + 2, "#1 to 'hive.gather' %(call 1: service or name expected"), function()
    hive.gather { {} }
  end)
  refuses(at(line + 5, "#1 to 'hive.select' %(table of calls expected, got number%)"), function()
    hive.select(5)
  end)
  refuses(at(line + 8, "#2 to 'hive.gather' %(number expected, got string%)"), function()
    hive.gather({}, "soon")
  end)
  local calls <close> = hive.select()
  refuses(("select%%.lua:%d: call late: service or name"):format(line + 12), function()
    calls:add("late", {})
  end)
end)

test("a thousand calls may be under way at once", function()
  local calls = {}
  for i = 1, 1000 do
    calls[i] = { i % 2 == 0 and echo or other, "echo", i }
  end
  local sum = 0
  for _, answer in pairs(hive.gather(calls)) do
    sum = sum + answer[1]
  end
  equal(sum, 500500)
end)

test("a call under way keeps a script alive, one that is let go does not", function()
  local ended = {}
  local script = hive.spawn("service.asking", echo)
  hive.monitor(script, function(_, how)
    hive.wakeup(ended, how.code)
  end)
  local _, code = hive.wait(ended)
  equal(code, "returned")
  equal(echo:seen()[1], "answered")
end)

hive.kill(other)
hive.kill(echo)
check.done()
