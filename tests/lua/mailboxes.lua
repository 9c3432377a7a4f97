-- Mailboxes that fill up: what each policy does, and what the figures tell.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

-- Has a service compute for a while, in which it takes no messages.
local function keep_busy(service, seconds)
  hive.send(service, "compute", seconds)
  while hive.stats(service).mailbox > 0 do
    hive.sleep(0.001)
  end
end

-- A service with room for ten messages that computes.
local function busy(policy)
  local service = hive.spawn { "service.echo", mailbox_limit = 10, when_full = policy }
  keep_busy(service, 0.15)
  return service
end

-- Sends fifty numbered messages; how many the senders were told about.
local function flood(service)
  local refused = 0
  for i = 1, 50 do
    local ok, err = pcall(hive.send, service, "note", i)
    if not ok then
      equal(err.code, "overload")
      refused = refused + 1
    end
  end
  return refused
end

test("a full mailbox refuses the sender by default", function()
  local service = busy(nil)
  equal(flood(service), 40)
  equal(hive.stats(service).refused, 40)
  local err = fails("overload", service.echo, service)
  match(err.message, "mailbox of service service%.echo:%x+ is full: 10 messages")
  while hive.stats(service).mailbox > 0 do
    hive.sleep(0.01)
  end
  equal(#service:seen(), 10)
  hive.kill(service)
end)

test("a service may drop its oldest messages", function()
  local service = busy "drop_oldest"
  equal(flood(service), 0)
  equal(hive.stats(service).dropped, 40)
  equal(hive.stats(service).mailbox, 10)
  while hive.stats(service).mailbox > 0 do
    hive.sleep(0.01)
  end
  local seen = service:seen()
  equal(#seen, 10)
  equal(seen[1], 41)
  equal(seen[10], 50)
  hive.kill(service)
end)

test("a caller whose request is dropped is told", function()
  local service = busy "drop_oldest"
  local calls = hive.select { { service, "echo" } }
  flood(service)
  local _, ok, err = calls()
  equal(ok, false)
  equal(err.code, "overload")
  match(err.message, "dropped its oldest messages")
  hive.kill(service)
end)

test("a service may take them all with a warning", function()
  local service = busy "warn"
  equal(flood(service), 0)
  local stats = hive.stats(service)
  equal(stats.mailbox, 50)
  equal(stats.refused + stats.dropped, 0)
  while hive.stats(service).mailbox > 0 do
    hive.sleep(0.01)
  end
  equal(#service:seen(), 50)
  hive.kill(service)
end)

test("the figures tell how many messages wait, their size and how long at least", function()
  local service = busy(nil)
  hive.send(service, "note", ("x"):rep(1000))
  local stats = hive.stats(service)
  equal(stats.mailbox, 1)
  assert(stats.mailbox_bytes > 1000, stats.mailbox_bytes)
  hive.sleep(0.02)
  stats = hive.stats(service)
  assert(stats.mailbox == 0 or stats.mailbox_age >= 0.02, stats.mailbox_age)
  service:echo()
  stats = hive.stats(service)
  equal(stats.mailbox, 0)
  equal(stats.mailbox_age, 0)
  assert(stats.memory_bytes > 1000 and stats.messages >= 3 and stats.time > 0.1)
  hive.kill(service)
end)

test("answers and timers come into a full mailbox", function()
  local helper = hive.spawn "service.echo"
  local service = hive.spawn { "service.echo", mailbox_limit = 10 }
  local calls = hive.select({
    answer = { service, "ask", helper, "hold" },
    timer = { service, "sleep", 0.1 },
  }, 10)
  keep_busy(service, 0.2)
  flood(service)
  assert(hive.stats(service).mailbox >= 10, "it is full")
  while not pcall(helper.release, helper, "given") do
    hive.sleep(0.001)
  end
  local results = {}
  for key, ok, result in calls do
    results[key] = ok and result or tostring(result)
  end
  equal(results.answer, "given")
  equal(results.timer, "slept")
  hive.kill(service)
  hive.kill(helper)
end)

test("a policy that does not exist is refused", function()
  refuses("'drop' is no policy of a full mailbox %(expected refuse, warn, drop_oldest%)", function()
    hive.spawn { "service.echo", when_full = "drop" }
  end)
end)

check.done()
