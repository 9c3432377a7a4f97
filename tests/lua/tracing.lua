-- Requests have ids that travel with calls, and their steps can be recorded.

local check = require "check"
local hive = require "hive"

local equal, match, test = check.equal, check.match, check.test

local one, two = hive.spawn "service.traced", hive.spawn "service.traced"

test("a task that serves no request has no id, and each call of it begins one", function()
  equal(hive.request_id(), nil)
  local first, second = one:id(), one:id()
  match(first, "^%x+%-%d+$")
  equal(first ~= second, true)
  equal(hive.request_id(), nil)
end)

test("the id goes along with calls", function()
  local own, other = one:ids(two)
  equal(own, other)
end)

test("the id goes along with messages, forks, timers and several calls at once", function()
  local ids = one:ids_of_tasks()
  equal(ids.fork, ids.after)
  equal(ids.fork, ids.select)
  hive.send(one, "note")
  one:relay(two, "note")
  match(two:noted()[1], "^%x+%-%d+$")
end)

-- The steps of a trace as `step service method`.
local function steps_of(trace)
  local steps = {}
  for i, event in ipairs(trace:events()) do
    local service = event.service:gsub(":.*", "")
    steps[i] = event.step .. " " .. service .. (event.method and " " .. event.method or "")
  end
  return steps
end

test("a trace holds the steps of each service in order", function()
  local trace <close> = hive.trace()
  equal(one:relay(two, "nap"), "rested")
  trace:stop()
  -- Steps of different services happen at once; `queued` may be stamped after the callee began.
  local steps = {}
  for _, event in ipairs(trace:events()) do
    if event.step ~= "queued" then
      local before = steps[event.service]
      steps[event.service] = (before and before .. " " or "") .. event.step
    end
  end
  equal(steps[tostring(hive.self())], "send wait resume")
  equal(steps[tostring(one)], "begin send wait resume end")
  equal(steps[tostring(two)], "begin wait resume end")
  equal(select(2, trace:json():gsub('"step":"queued"', "")), 2)
end)

test("stamps never go back and measure the time that passes", function()
  local trace = hive.trace()
  one:nap()
  trace:stop()
  local last = 0
  for _, event in ipairs(trace:events()) do
    assert(event.at_ns >= last)
    last = event.at_ns
  end
  assert(last >= 2000000, last)
end)

test("a failure is recorded", function()
  local trace <close> = hive.trace()
  pcall(one.fail, one)
  match(table.concat(steps_of(trace), ", "), "fail service%.traced")
end)

test("a failed run of a repeated timer is recorded, the next one is not", function()
  local done, trace, runs = {}, nil, 0
  local timer = hive.every(0.001, function()
    runs = runs + 1
    if runs == 1 then
      trace = hive.trace()
      error("the first run fails", 0)
    end
    assert(not hive.request_id())
    hive.wakeup(done)
  end)
  hive.wait(done)
  timer:cancel()
  equal(table.concat(steps_of(trace), ", "), "fail " .. tostring(hive.self()):gsub(":.*", ""))
end)

test("a trace can be read by people and by programs", function()
  local trace <close> = hive.trace()
  one:nap()
  local text = tostring(trace)
  match(text, "^request %x+%-%d+: %d+%.%d+ us, %d+ steps\n")
  match(text, "\n +%d+%.%d+ us  send   `nap` to service%.traced:%x+")
  match(text, "\n +%d+%.%d+ us    begin  `nap` at service%.traced:%x+ after %d+%.%d+ us")
  local lines = 0
  for line in trace:json():gmatch "[^\n]+" do
    lines = lines + 1
    match(line, '^{"request":"%x+%-%d+","at_ns":%d+,"step":"%a+","service":"[^"]+".*}$')
  end
  equal(lines, #trace:events())
end)

test("nothing is recorded after the end of a trace", function()
  local trace = hive.trace()
  one:id()
  trace:stop()
  local count = #trace:events()
  one:id()
  trace:stop()
  equal(#trace:events(), count)
  equal(hive.request_id(), nil)
end)

test("a trace within a request keeps its id and gives it back", function()
  local outer = hive.trace()
  local inner = hive.trace()
  local id = one:id()
  inner:stop()
  equal(one:id() ~= id, true)
  outer:stop()
  equal(#inner:events() > 0, true)
  equal(hive.request_id(), nil)
end)

test("what others do meanwhile is not recorded", function()
  local trace <close> = hive.trace()
  local done = {}
  local busy = hive.spawn("service.asking_often", two)
  hive.monitor(busy, function()
    hive.wakeup(done)
  end)
  hive.wait(done, 5)
  for _, step in ipairs(steps_of(trace)) do
    match(step, " tracing")
  end
end)

hive.kill(one)
hive.kill(two)
check.done()
