-- Shared dictionaries: coroutines that wait for a key.

local check = require "check"
local dictionaries = require "dictionaries"
local hive = require "hive"
local latch = require "latch"
local shared = require "shared"

local equal, fails, refuses, test = check.equal, check.fails, check.refuses, check.test
local are, new = dictionaries.are, dictionaries.new

-- Longest wait of a test that does not fail, in seconds.
local LONG = 30

-- A dictionary with a name, and services that have it open. The name is given back at once.
local function opened_by(count)
  local name = dictionaries.name()
  local dict = shared.create(name, { size = "256k" })
  local services = {}
  for i = 1, count do
    services[i] = hive.spawn("service/dict_waiter", name)
  end
  shared.unlink(name)
  return dict, services
end

-- Returns once the tasks that were forked before have begun, and wait.
local function let_forks_wait()
  local begun = {}
  hive.fork(hive.wakeup, begun)
  assert(hive.wait(begun, LONG))
end

-- Lets every service wait, and calls `meanwhile` once they do; returns what the waits returned.
local function wait_all(services, meanwhile, method, ...)
  local calls, results = latch.new(#services), {}
  for i, service in ipairs(services) do
    hive.fork(function(...)
      results[i] = table.pack(pcall(hive.call, service, method, ...))
      calls:done()
    end, ...)
  end
  let_forks_wait()
  for _, service in ipairs(services) do
    hive.call(service, "ready")
  end
  meanwhile()
  assert(calls:wait(LONG), "the waits do not end")
  return results
end

local function kill(services)
  for _, service in ipairs(services) do
    hive.kill(service)
  end
end

test("a thousand services that wait for a key are woken by one change", function()
  local dict, services = opened_by(1000)
  local results = wait_all(services, function()
    dict:set("key", 1)
  end, "wait", "key", nil, LONG)
  local version = dict:version "key"
  for i = 1, 1000 do
    are({ true, true, version }, table.unpack(results[i]))
  end
  kill(services)
end)

test("elements go to those who wait, one to each", function()
  local dict, services = opened_by(100)
  local results = wait_all(services, function()
    for i = 1, 100 do
      dict:rpush("list", i)
    end
  end, "blpop", "list", LONG)
  local seen = {}
  for i = 1, 100 do
    local element = results[i][2]
    assert(not seen[element], "an element was taken twice")
    seen[element] = true
  end
  equal(#seen, 100)
  equal(dict:llen "list", 0)
  kill(services)
end)

test("a lock goes from one to the next", function()
  local dict, services = opened_by(50)
  local lock = dict:lock "job"
  local results = wait_all(services, function()
    lock:unlock()
  end, "lock", "job")
  for i = 1, 50 do
    are({ true, true }, table.unpack(results[i]))
  end
  equal(dict:get "job", nil)
  kill(services)
end)

test("a service that is killed while it waits takes nothing with it", function()
  local dict, services = opened_by(20)
  local last = services[20]
  local results = wait_all(services, function()
    for i = 1, 19 do
      hive.kill(services[i])
    end
    dict:rpush("list", "a")
  end, "blpop", "list", LONG)
  equal(results[1][2].code, "dead")
  are({ true, "a" }, table.unpack(results[20]))
  wait_all({ last }, function()
    hive.kill(last)
    dict:rpush("list", "b")
  end, "blpop", "list", LONG)
  equal(dict:blpop("list", 0), "b")
end)

test("a wait outlives the name of its dictionary and all others who had it open", function()
  local dict, services = opened_by(1)
  local results = wait_all(services, function()
    dict:set("key", 1)
    dict = nil
    collectgarbage()
  end, "wait", "other", nil, 0.1)
  are({ true, false, "timeout" }, table.unpack(results[1]))
  kill(services)
end)

test("a wait ends when its time is over, not before and hardly after", function()
  local dict = new()
  local tasks, late = latch.new(200), {}
  for i = 1, 200 do
    hive.fork(function()
      local seconds = i / 1000
      local start = hive.now()
      are({ false, "timeout" }, dict:wait("key", nil, seconds))
      late[i] = hive.now() - start - seconds
      tasks:done()
    end)
  end
  assert(tasks:wait(LONG))
  table.sort(late)
  assert(late[1] >= -0.001, late[1])
  assert(late[100] < 0.02, late[100])
end)

test("a change is noticed at once", function()
  local dict = new()
  local took = {}
  for i = 1, 51 do
    local changed_at
    hive.after(0.002, function()
      changed_at = hive.now()
      dict:set("key", i)
    end)
    equal(dict:wait("key", dict:version "key", LONG), true)
    took[i] = hive.now() - changed_at
  end
  table.sort(took)
  assert(took[26] < 0.01, took[26])
end)

test("an entry that expires is noticed when it does", function()
  local dict = new()
  dict:set("lasting", 1)
  for _ = 1, 3 do
    local start = hive.now()
    dict:set("key", 1, 0.02)
    equal(dict:wait("key", dict:version "key", LONG), true)
    local took = hive.now() - start
    assert(took >= 0.02 and took < 0.08, took)
  end
end)

test("a shard that changes all the time does not hide the change of a key", function()
  local dict = new()
  local busy = true
  hive.fork(function()
    while busy do
      for i = 1, 100 do
        dict:set("other", i)
      end
      hive.sleep(0)
    end
  end)
  for i = 1, 20 do
    hive.after(0.005, function()
      dict:set("key", i)
    end)
    equal(dict:wait("key", dict:version "key", LONG), true)
  end
  busy = false
end)

test("keys in more shards than one thread listens to are all listened to", function()
  local dicts, tasks = {}, latch.new(3 * 200)
  for i = 1, 3 do
    dicts[i] = new("1m", { shards = 64 })
    for n = 1, 200 do
      hive.fork(function()
        equal(dicts[i]:wait("key" .. n, nil, LONG), true)
        tasks:done()
      end)
    end
  end
  let_forks_wait()
  for n = 1, 200 do
    for i = 1, 3 do
      dicts[i]:set("key" .. n, n)
    end
  end
  assert(tasks:wait(LONG))
end)

test("a flush, a deletion and another end are changes", function()
  local dict = new()
  local changes = { dict.flush_all, dict.delete, dict.expire }
  for _, change in ipairs(changes) do
    dict:set("key", 1)
    hive.after(0.005, function()
      change(dict, "key", 100)
    end)
    equal(dict:wait("key", dict:version "key", LONG), true)
  end
end)

test("a plain value ends the wait for an element", function()
  local dict = new()
  hive.after(0.005, function()
    dict:set("list", 1)
  end)
  are({ n = 2, nil, "value not a list" }, dict:blpop("list", LONG))
end)

test("a wait can be cancelled, and a deadline ends it", function()
  local dict = new()
  fails("timeout", hive.timeout, 0.01, dict.wait, dict, "key", nil)
  local done = {}
  local task = hive.fork(function()
    local ok, problem = pcall(dict.blpop, dict, "list")
    hive.wakeup(done, ok, problem)
  end)
  let_forks_wait()
  task:cancel()
  local _, ok, problem = hive.wait(done, LONG)
  equal(ok, false)
  equal(problem.code, "cancelled")
  dict:rpush("list", 1)
  equal(dict:lpop "list", 1)
end)

test("a wait where nothing can wait says so", function()
  local dict = new()
  refuses("a method of a dictionary cannot wait here", table.sort, { 1, 2 }, function()
    dict:wait("key", nil, 1)
  end)
  are({ false, "timeout" }, dict:wait("key", nil, 0))
end)

check.done()
