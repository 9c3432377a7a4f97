-- Tasks of one service: forks, waiting and waking, cancelling.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

test("a fork runs soon, with its arguments, after what is running", function()
  local order, done = {}, {}
  hive.fork(function(a, b)
    order[#order + 1] = a .. b
  end, "x", 1)
  hive.fork(function()
    order[#order + 1] = "second"
    hive.wakeup(done)
  end)
  order[#order + 1] = "first"
  hive.wait(done)
  equal(table.concat(order, " "), "first x1 second")
end)

test("a failing fork harms nothing else", function()
  hive.fork(error, "expected by the test")
  hive.sleep(0)
end)

test("wait returns what wakeup gives", function()
  local token = {}
  hive.fork(function()
    equal(hive.wakeup(token, 1, nil, "three"), true)
  end)
  local results = table.pack(hive.wait(token))
  equal(results.n, 4)
  equal(results[1], true)
  equal(results[2], 1)
  equal(results[4], "three")
end)

test("who waits longest is woken first", function()
  local order = {}
  for i = 1, 3 do
    hive.fork(function()
      local _, name = hive.wait "door"
      order[#order + 1] = i .. name
    end)
  end
  hive.sleep(0)
  equal(hive.wakeup("door", "a"), true)
  equal(hive.wakeup("door", "b"), true)
  equal(hive.wakeup("door", "c"), true)
  equal(hive.wakeup("door", "d"), false)
  hive.sleep(0)
  equal(table.concat(order, " "), "1a 2b 3c")
end)

test("tokens are compared as keys of a table are", function()
  local woken = {}
  for _, token in ipairs { 1, 1.5, "s", true } do
    hive.fork(function()
      hive.wait(token)
      woken[#woken + 1] = tostring(token)
    end)
  end
  hive.sleep(0)
  equal(hive.wakeup "1", false)
  equal(hive.wakeup(1.0), true)
  equal(hive.wakeup(1.5), true)
  equal(hive.wakeup "s", true)
  equal(hive.wakeup(true), true)
  hive.sleep(0)
  equal(table.concat(woken, " "), "1 1.5 s true")
end)

test("without a token a task waits for its own coroutine", function()
  local task, woken
  hive.fork(function()
    task = coroutine.running()
    woken = hive.wait()
  end)
  hive.sleep(0)
  equal(hive.wakeup(task), true)
  hive.sleep(0)
  equal(woken, true)
end)

test("a wait with a limit tells that its time is over", function()
  local token = {}
  local began = hive.now()
  equal(hive.wait(token, 0.02), false)
  assert(hive.now() - began >= 0.02)
  equal(hive.wakeup(token), false)
end)

test("a sleeping task can be cancelled", function()
  local outcome
  local task = hive.fork(function()
    outcome = table.pack(pcall(hive.sleep, 100))
  end)
  hive.sleep(0)
  equal(task:cancel(), true)
  hive.sleep(0)
  equal(outcome[1], false)
  equal(outcome[2].code, "cancelled")
  equal(task:cancel(), false)
end)

test("a task that waits for an answer can be cancelled, and the answer is dropped", function()
  local echo = hive.spawn "service.echo"
  local outcome
  local task = hive.fork(function()
    outcome = table.pack(pcall(echo.sleep, echo, 0.02))
    hive.sleep(0.05)
    outcome.more = "unharmed"
  end)
  hive.sleep(0.01)
  equal(task:cancel(), true)
  hive.sleep(0)
  equal(outcome[2].code, "cancelled")
  match(outcome[2].message, "call of `sleep` to service%.echo:")
  hive.sleep(0.08)
  equal(outcome.more, "unharmed")
  hive.kill(echo)
end)

test("a task that has not begun can be cancelled", function()
  local ran = false
  local task = hive.fork(function()
    ran = true
  end)
  equal(task:cancel(), true)
  hive.sleep(0)
  equal(ran, false)
end)

test("a task that was woken and then cancelled is told of it", function()
  local token, outcome = {}, nil
  local task = hive.fork(function()
    outcome = table.pack(pcall(hive.wait, token))
  end)
  hive.sleep(0)
  equal(hive.wakeup(token, 1, 2, 3), true)
  equal(task:cancel(), true)
  hive.sleep(0)
  equal(outcome[1], false)
  equal(outcome[2].code, "cancelled")
end)

test("a task cannot cancel itself, nor has it other methods", function()
  local task, ok, err
  task = hive.fork(function()
    ok, err = pcall(task.cancel, task)
  end)
  hive.sleep(0)
  equal(ok, false)
  equal(err.code, "argument")
  refuses("a task has no method `stop`", task.stop, task)
end)

test("a finished task's handle does not reach the next task", function()
  local old = hive.fork(function() end)
  hive.sleep(0)
  local ran = false
  hive.fork(function()
    ran = true
  end)
  equal(old:cancel(), false)
  hive.sleep(0)
  equal(ran, true)
end)

test("closing variables of a cancelled task are closed", function()
  local closed = false
  local task = hive.fork(function()
    local _ <close> = setmetatable({}, {
      __close = function()
        closed = true
      end,
    })
    hive.sleep(100)
  end)
  hive.sleep(0)
  task:cancel()
  hive.sleep(0)
  equal(closed, true)
end)

test("a yield that nobody resumes is an error of the task alone", function()
  hive.fork(coroutine.yield)
  hive.sleep(0)
  local other = hive.spawn "service.echo"
  local err = fails("error", other.yield, other)
  match(err.message, "echo.lua:%d+: attempt to yield from outside a coroutine\nhint: hive.wait")
  match(err.traceback, "in function 'coroutine.yield'")
end)

test("waiting works through coroutines of the program", function()
  local co = coroutine.wrap(function()
    hive.sleep(0.001)
    coroutine.yield "slept"
    local woken, value = hive.wait "inner"
    return tostring(woken) .. value
  end)
  equal(co(), "slept")
  hive.fork(hive.wakeup, "inner", "!")
  equal(co(), "true!")
end)

test("a thousand tasks wait at the same time", function()
  local done = 0
  for i = 1, 1000 do
    hive.fork(function()
      hive.wait(i)
      done = done + 1
    end)
  end
  hive.sleep(0)
  for i = 1, 1000 do
    equal(hive.wakeup(i), true)
  end
  hive.sleep(0)
  equal(done, 1000)
end)

test("a sleep without time lets all run that are ready, and messages come through", function()
  local echo = hive.spawn "service.echo"
  local answered, turns = false, 0
  hive.fork(function()
    answered = echo:echo(true)
  end)
  while not answered do
    hive.sleep(0)
    turns = turns + 1
  end
  hive.timeout(0.01, function()
    local ok, err = pcall(function()
      while true do
        hive.sleep(0)
      end
    end)
    equal(ok, false)
    equal(err.code, "timeout")
  end)
  hive.kill(echo)
end)

test("arguments are checked", function()
  refuses("function expected, got no value", hive.fork)
  refuses("token expected, got no value", hive.wakeup)
  refuses("number expected", hive.wait, 1, "x")
  fails("argument", function()
    local timer = hive.fork(function() end)
    hive.sleep(0)
    error { code = "argument", message = tostring(timer) }
  end)
end)

check.done()
