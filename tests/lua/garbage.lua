-- When garbage is collected: between the messages of a service, unless its program asked for more.

local check = require "check"
local hive = require "hive"

local equal, test = check.equal, check.test

local LIVE = 2000

-- Has a service make garbage, with time between its messages: so many times, or until `done`.
local function counts_after(settings, rounds, done)
  local service <const> = hive.spawn("service.garbage", settings)
  local counts
  for _ = 1, rounds do
    service:work()
    hive.sleep(0.001)
    counts = service:counts()
    if done(counts) then
      break
    end
  end
  hive.kill(service)
  return counts
end

local function never()
  return false
end

local function between_messages(collector)
  local counts = counts_after({ live = LIVE, collector = collector }, 5000, function(counts)
    return counts.outside > 0
  end)
  assert(counts.outside > 0, "nothing was collected between messages")
end

test("garbage is collected between messages", function()
  between_messages "incremental"
end)

test("garbage is collected between messages by generations, too", function()
  between_messages "generational"
end)

test("a collector that is stopped stays so, also in the middle of a collection", function()
  local counts = counts_after({ live = LIVE, stops = true }, 100, never)
  equal(counts.outside, 0)
  equal(counts.inside, 0)
end)

test("what a finalizer begins between messages runs", function()
  local counts = counts_after({ live = LIVE, forks = true }, 5000, function(counts)
    return counts.forked > 0
  end)
  assert(counts.forked > 0, "no fork of a finalizer has run")
end)

test("a service that a finalizer ends between messages ends then", function()
  local settings = { live = LIVE, garbage = 600, exits = true }
  local service <const> = hive.spawn("service.garbage", settings)
  local ended
  hive.monitor(service, function()
    ended = true
  end)
  local deadline = hive.now() + 30
  while not ended and hive.now() < deadline do
    assert(pcall(service.work, service), "the service lived on until a message came")
    hive.sleep(0.05)
  end
  assert(ended, "the service has not ended")
end)

check.done()
