-- Deadlines: of one call, of a scope, passed on to callees; timers and sleeps.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test
local echo = hive.spawn "service.echo"

-- Seconds that `f` takes.
local function seconds_of(f, ...)
  local began = hive.now()
  f(...)
  return hive.now() - began
end

test("a sleep is never too short", function()
  for _, duration in ipairs { 0, 0.001, 0.005, 0.02 } do
    local took = seconds_of(hive.sleep, duration)
    assert(took >= duration, ("slept %.6f of %.6f s"):format(took, duration))
  end
end)

test("a call with a timeout fails when its time is over", function()
  local took = seconds_of(function()
    local err = fails("timeout", hive.call, { echo, timeout = 0.03 }, "sleep", 5)
    match(err.message, "call of `sleep` to service%.echo:%x+: the deadline passed")
  end)
  assert(took >= 0.03 and took < 1, took)
end)

test("a call that is answered in time returns", function()
  equal(hive.call({ echo, timeout = 5 }, "echo", 1), 1)
end)

test("a late answer is dropped", function()
  fails("timeout", hive.call, { echo, timeout = 0.01 }, "sleep", 0.03)
  equal(echo:echo "next", "next")
  hive.sleep(0.04)
  equal(echo:echo "after", "after")
end)

test("a scope passes results through", function()
  local a, b = hive.timeout(1, function(x, y)
    return y, x
  end, 1, 2)
  equal(a, 2)
  equal(b, 1)
end)

test("whatever waits inside a scope fails when its time is over", function()
  fails("timeout", hive.timeout, 0.02, hive.sleep, 5)
  fails("timeout", hive.timeout, 0.02, hive.wait, {})
  fails("timeout", hive.timeout, 0.02, echo.sleep, echo, 5)
  local err = fails("timeout", hive.timeout, 0.02, function()
    for _ = 1, 1000 do
      echo:sleep(0.005)
    end
  end)
  match(err.message, "call of `sleep`")
end)

test("a scope ends with its function", function()
  hive.timeout(0.02, function() end)
  equal(echo:sleep(0.04), "slept")
  pcall(hive.timeout, 0.02, error, "x")
  equal(echo:sleep(0.04), "slept")
end)

test("the inner of two deadlines may pass first", function()
  hive.timeout(5, function()
    fails("timeout", hive.timeout, 0.02, hive.sleep, 5)
    hive.sleep(0.01)
  end)
end)

test("the outer of two deadlines holds inside", function()
  fails("timeout", hive.timeout, 0.02, hive.timeout, 5, hive.sleep, 5)
end)

test("a deadline that has passed lets nothing begin", function()
  hive.timeout(0.02, function()
    fails("timeout", hive.sleep, 5)
    fails("timeout", hive.sleep, 0)
    fails("timeout", echo.echo, echo)
    fails("timeout", hive.spawn, "service.echo")
  end)
end)

test("a deadline goes along with the request", function()
  local other = hive.spawn "service.echo"
  local took = seconds_of(function()
    local ok = select(2, pcall(hive.timeout, 0.05, other.remaining, other, echo, 5))
    equal(ok.code, "timeout")
  end)
  assert(took < 1, took)
  -- The callee's own call failed as well: it is free again.
  equal(other:echo(1), 1)
  hive.kill(other)
end)

-- How a wait of 60 s ends that a service begins while it serves a call with 0.05 s left.
local function ended_wait(way)
  local worker = hive.spawn "service.ways"
  fails("timeout", hive.call, { worker, timeout = 0.05 }, "wait", way, echo)
  for _ = 1, 400 do
    local last = worker:last()
    if last then
      hive.kill(worker)
      return last
    end
    hive.sleep(0.005)
  end
  hive.kill(worker)
  error(("the wait by %s does not end"):format(way))
end

test("no way to wait while serving a call lasts longer than the call may", function()
  local worker = hive.spawn "service.ways"
  local names = worker:names()
  hive.kill(worker)
  assert(#names > 10)
  for _, way in ipairs(names) do
    local last = ended_wait(way)
    equal(last.ok, false)
    -- A service that waits in its own file fails with `timeout` for a cause.
    assert(last.code == "timeout", way .. ": " .. last.code)
    assert(last.took >= 0.03 and last.took < 2, ("%s took %g s"):format(way, last.took))
  end
end)

test("a request whose time is over before its turn comes is not served", function()
  local slow = hive.spawn "service.echo"
  -- Two messages wait behind a computation that lasts longer than the second one may.
  hive.send(slow, "compute", 0.03)
  fails("timeout", hive.call, { slow, timeout = 0.005 }, "note", "too late")
  equal(#slow:seen(), 0)
  slow:note "in time"
  equal(slow:seen()[1], "in time")
  hive.kill(slow)
end)

test("other tasks do not run under the deadline of one", function()
  local done = {}
  hive.timeout(0.02, hive.fork, function()
    hive.sleep(0.05)
    hive.wakeup(done, "unharmed")
  end)
  local _, result = hive.wait(done)
  equal(result, "unharmed")
end)

test("a timer runs once, after its time", function()
  local began, runs = hive.now(), 0
  local done = {}
  hive.after(0.02, function(a, b)
    runs = runs + 1
    hive.wakeup(done, hive.now() - began, a, b)
  end, "x", nil)
  local _, took, a, b = hive.wait(done)
  assert(took >= 0.02, took)
  equal(a, "x")
  equal(b, nil)
  hive.sleep(0.03)
  equal(runs, 1)
end)

test("a cancelled timer does not run", function()
  local ran = false
  local timer = hive.after(0.01, function()
    ran = true
  end)
  equal(timer:cancel(), true)
  equal(timer:cancel(), false)
  hive.sleep(0.03)
  equal(ran, false)
end)

test("a timer whose function waits can be cancelled", function()
  local outcome
  local timer = hive.after(0.001, function()
    outcome = table.pack(pcall(hive.sleep, 5))
  end)
  hive.sleep(0.02)
  equal(outcome, nil)
  equal(timer:cancel(), true)
  hive.sleep(0)
  equal(outcome[2].code, "cancelled")
  equal(timer:cancel(), false)
end)

test("the handle of a timer that has run names no other", function()
  local ran = {}
  local first = hive.after(0.001, function()
    ran.first = true
  end)
  hive.sleep(0.01)
  hive.after(0.001, function()
    ran.second = true
  end)
  equal(first:cancel(), false)
  hive.sleep(0.01)
  assert(ran.first and ran.second)
end)

test("a timer can call off those that are due with it", function()
  local timers, ran = {}, {}
  for i = 1, 100 do
    timers[i] = hive.after(0.005, function()
      ran[#ran + 1] = i
      for other = i + 1, i + 9 do
        if timers[other] then
          timers[other]:cancel()
        end
      end
    end)
  end
  local until_then = hive.now() + 0.006
  while hive.now() < until_then do
    -- Computing, so that all are due when the service is at rest.
  end
  hive.sleep(0.01)
  equal(table.concat(ran, " "), "1 11 21 31 41 51 61 71 81 91")
end)

test("a thousand timers of one time fire in the order in which they were armed", function()
  local order, done = {}, {}
  for i = 1, 1000 do
    hive.after(0.01 - i * 1e-9, function()
      order[#order + 1] = i
      if i == 1000 then
        hive.wakeup(done)
      end
    end)
    if i % 10 == 0 then
      hive.after(0.005, function() end):cancel()
    end
  end
  hive.wait(done)
  for i = 1, 1000 do
    equal(order[i], i)
  end
end)

test("timers are counted among the tasks while they are armed", function()
  local before = hive.stats().own_tasks
  local timer = hive.after(10, function() end)
  equal(hive.stats().own_tasks, before + 1)
  timer:cancel()
  equal(hive.stats().own_tasks, before)
end)

test("what a cancelled timer would have run is garbage", function()
  local weak = setmetatable({}, { __mode = "k" })
  local function arm(...)
    local value = {}
    weak[value] = true
    return hive.after(10, function()
      return value
    end, ...)
  end
  arm():cancel()
  arm(arm, nil):cancel()
  collectgarbage()
  equal(next(weak), nil)
end)

test("timers fire in the order of their times", function()
  local order, done = {}, {}
  for _, delay in ipairs { 0.03, 0.01, 0.02 } do
    hive.after(delay, function()
      order[#order + 1] = delay
      if #order == 3 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
  equal(table.concat(order, " "), "0.01 0.02 0.03")
end)

test("a repeated timer goes on until it is cancelled", function()
  local runs, done = 0, {}
  local timer
  timer = hive.every(0.005, function(step)
    runs = runs + step
    if runs == 6 then
      timer:cancel()
      hive.wakeup(done)
    end
  end, 2)
  hive.wait(done)
  hive.sleep(0.03)
  equal(runs, 6)
end)

test("a repeated timer survives an error and never runs twice at once", function()
  local running, runs, done = 0, 0, {}
  local timer = hive.every(0.003, function()
    running = running + 1
    equal(running, 1)
    runs = runs + 1
    hive.sleep(0.01)
    running = running - 1
    if runs == 3 then
      hive.wakeup(done)
    end
    error "expected by the test"
  end)
  hive.wait(done)
  timer:cancel()
end)

test("a repeated timer that waits can be cancelled", function()
  local outcome
  local timer = hive.every(0.002, function()
    outcome = table.pack(pcall(hive.sleep, 5))
  end)
  hive.sleep(0.02)
  equal(timer:cancel(), true)
  hive.sleep(0.01)
  equal(outcome[1], false)
  equal(outcome[2].code, "cancelled")
end)

test("spans of time are checked", function()
  refuses("number expected, got no value", hive.sleep)
  refuses("expected 0 to", hive.sleep, -1)
  refuses("expected 0 to", hive.sleep, 0 / 0)
  refuses("expected 0 to", hive.sleep, math.huge)
  refuses("expected more than 0 seconds", hive.every, 0, print)
  refuses("function expected, got no value", hive.after, 1)
end)

test("a scope without a time or a function is refused at the line that asks for it", function()
  local line = debug.getinfo(1, "l").currentline
  local function at(after, text)
    return ("deadlines%%.lua:%d: bad argument %s"):format(line + after, text)
  end
  refuses(at(5, "#1 to 'hive.timeout' %(expected 0 to 3.2e9 seconds, got %-1%)"), function()
    hive.timeout(-1, print)
  end)
  refuses(at(8, "#1 to 'hive.timeout' %(number expected, got nil%)"), function()
    hive.timeout()
  end)
  refuses(at(11, "#2 to 'hive.timeout' %(function expected, got string%)"), function()
    hive.timeout(1, "x")
  end)
  local callable = setmetatable({}, {
    __call = function(_, value)
      return value
    end,
  })
  equal(hive.timeout(1, callable, "called"), "called")
end)

hive.kill(echo)
check.done()
