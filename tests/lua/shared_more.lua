-- Shared dictionaries: what they offer beyond ngx.shared.DICT.

local check = require "check"
local dictionaries = require "dictionaries"
local hive = require "hive"
local latch = require "latch"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local are, expired, new = dictionaries.are, dictionaries.expired, dictionaries.new

test("tables are values", function()
  local dict = new()
  are({ n = 3, true, nil, false }, dict:set("key", { 1, 2, name = "ada", inner = { x = 1.5 } }))
  local found = dict:get "key"
  equal(#found, 2)
  equal(found.name, "ada")
  equal(found.inner.x, 1.5)
  found.name = "changed"
  equal(dict:get("key").name, "ada")
  are({ n = 2, nil, "not a number" }, dict:incr("key", 1))
end)

test("a table that cannot be stored is refused with the reason", function()
  local dict = new()
  local value, reason, detail = dict:set("key", { f = print })
  equal(value, nil)
  equal(reason, "bad value type")
  match(detail, "value%.f")
  local _, _, local_only = dict:set("key", { hive.self() })
  match(local_only, "address of this process")
  local circle = {}
  circle.self = circle
  equal(select(2, dict:set("key", circle)), "bad value type")
end)

test("a version changes with every change", function()
  local dict = new()
  are({ n = 1, nil }, dict:version "key")
  are({ n = 1, nil }, dict:get_versioned "key")
  dict:set("key", "a", 0, 3)
  local value, version, flags = dict:get_versioned "key"
  equal(value, "a")
  equal(flags, 3)
  equal(dict:version "key", version)
  dict:set("key", "a")
  assert(dict:version "key" ~= version)
  dict:rpush("list", 1)
  assert(dict:version "list")
  are({ n = 2, nil, "value is a list" }, dict:get_versioned "list")
end)

test("cas stores only over what was read", function()
  local dict = new()
  local first = dict:cas("key", nil, "a")
  equal(dict:version "key", first)
  are({ n = 3, nil, "changed", first }, dict:cas("key", nil, "b"))
  local second = dict:cas("key", first, "b", 100, 4)
  are({ "b", 4 }, dict:get "key")
  assert(dict:ttl "key" > 90)
  are({ n = 3, nil, "changed", second }, dict:cas("key", first, "c"))
  dict:delete "key"
  are({ n = 2, nil, "not found" }, dict:cas("key", second, "c"))
  are({ n = 2, nil, "bad value type" }, dict:cas("key", nil, nil))
  are({ n = 2, nil, "nil key" }, dict:cas(nil, nil, 1))
end)

test("an entry can be deleted only if it is the one that was read", function()
  local dict = new()
  dict:set("key", 1)
  local version = dict:version "key"
  dict:set("key", 2)
  local now = dict:version "key"
  are({ n = 3, nil, "changed", now }, dict:delete_version("key", version))
  are({ true }, dict:delete_version("key", now))
  are({ n = 2, nil, "not found" }, dict:delete_version("key", now))
end)

test("update loses nothing between tasks", function()
  local dict = new()
  local tasks = latch.new(4)
  for _ = 1, 4 do
    hive.fork(function()
      for _ = 1, 50 do
        dict:update("n", function(n)
          hive.sleep(0)
          return (n or 0) + 1
        end)
      end
      tasks:done()
    end)
  end
  assert(tasks:wait(30))
  are({ 200 }, dict:get "n")
end)

test("update keeps what it is not told to change", function()
  local dict = new()
  dict:set("key", 1, 100, 7)
  local function twice(n)
    return n * 2
  end
  are({ 2 }, dict:update("key", twice))
  are({ 2, 7 }, dict:get "key")
  assert(dict:ttl "key" > 90)
  are({ 2 }, dict:update("key", function() end))
  dict:rpush("list", 1)
  are({ n = 2, nil, "value is a list" }, dict:update("list", twice))
end)

test("iterators meet every key once", function()
  local dict = new "1m"
  for i = 1, 2000 do
    dict:set("user:" .. i, i)
  end
  dict:set("other", "x", 0, 2)
  dict:rpush("list", "element")
  local seen, count = {}, 0
  for key in dict:keys { prefix = "user:" } do
    assert(not seen[key])
    seen[key], count = true, count + 1
  end
  equal(count, 2000)
  local found = {}
  for key, value, flags in dict:items() do
    found[key] = { value, flags }
  end
  equal(found["user:7"][1], 7)
  equal(found.other[2], 2)
  equal(found.list[1][1], "element")
  equal(found.list[2], "list")
end)

test("wait ends with a change, in another task or service", function()
  local dict = new()
  local version = dict:version "key"
  hive.after(0.02, function()
    dict:set("key", 1)
  end)
  local changed, now = dict:wait("key", version, 10)
  equal(changed, true)
  equal(now, dict:version "key")
  are({ false, "timeout" }, dict:wait("key", now, 0.01))
  are({ false, "nil key" }, dict:wait(nil, 1, 1))
  refuses("expected seconds", dict.wait, dict, "key", 1, "soon")
end)

test("wait ends when an entry expires", function()
  local dict = new()
  dict:set("key", 1, 0.02)
  are({ n = 2, true, nil }, dict:wait("key", dict:version "key", 10))
end)

test("a blocking pop waits for an element", function()
  local dict = new()
  hive.after(0.02, function()
    dict:rpush("list", "a")
    dict:rpush("list", "b")
  end)
  are({ n = 2, "a", nil }, dict:blpop("list", 10))
  are({ n = 2, "b", nil }, dict:brpop("list", 10))
  are({ n = 2, nil, "timeout" }, dict:blpop("list", 0.01))
  dict:set("plain", 1)
  are({ n = 2, nil, "value not a list" }, dict:blpop("plain", 1))
end)

test("a lock has one owner at a time", function()
  local dict = new()
  local lock = dict:lock "job"
  are({ n = 2, nil, "timeout" }, dict:lock("job", { timeout = 0.01 }))
  are({ true }, lock:unlock())
  are({ n = 2, nil, "unlocked" }, lock:unlock())
  do
    local again <close> = dict:lock("job", { timeout = 0 })
    assert(again)
  end
  assert(dict:lock("job", { timeout = 0 }):unlock())
end)

test("a lock with a time to live ends with it, and can be renewed", function()
  local dict = new()
  local lock = dict:lock("job", { ttl = 100 })
  are({ true }, lock:renew(0.01))
  expired(dict, "job")
  are({ n = 2, nil, "unlocked" }, lock:renew(1))
  local other = dict:lock("job", { timeout = 0 })
  are({ n = 2, nil, "unlocked" }, lock:unlock())
  are({ true }, other:unlock())
end)

test("a service that ends lets go of its locks", function()
  local name = dictionaries.name()
  local shared = require "shared"
  local dict = shared.create(name, { size = "64k" })
  local holder = hive.spawn("service/lock_holder", name)
  equal(holder:hold "job", true)
  are({ n = 2, nil, "timeout" }, dict:lock("job", { timeout = 0.01 }))
  hive.kill(holder)
  local lock = dict:lock("job", { timeout = 10 })
  assert(lock)
  lock:unlock()
  shared.unlink(name)
end)

test("the lock of a dead process is taken over", function()
  local dict = new()
  dict:set("job", "lock of process 4194304@1")
  local lock = dict:lock("job", { timeout = 0 })
  assert(lock)
  lock:unlock()
  dict:set("job", "data of somebody")
  are({ n = 2, nil, "timeout" }, dict:lock("job", { timeout = 0 }))
end)

test("services of a host share one mapping", function()
  local name = dictionaries.name()
  local shared = require "shared"
  local dict = shared.create(name, { size = "64k" })
  local holder = hive.spawn("service/lock_holder", name)
  equal(holder:put("key", { 1, 2, 3 }), true)
  equal(#dict:get "key", 3)
  hive.kill(holder)
  shared.unlink(name)
end)

test("striped counters add up", function()
  local dict = new()
  local visits, same = dict:counter "visits", dict:counter "visits"
  equal(visits:read(), 0)
  for _ = 1, 10 do
    visits:add()
    same:add(2)
  end
  equal(visits:read(), 30)
  visits:reset()
  equal(same:read(), 0)
end)

test("a counter has a name", function()
  local dict = new()
  are({ n = 2, nil, "empty key" }, dict:counter(""))
  equal(dict:stats().entries, 0)
end)

test("a counter that is none says so", function()
  local dict = new()
  for i = 1, 8 do
    dict:set("name#" .. i, "text")
  end
  local name = dict:counter "name"
  refuses("counter name: not a number", name.add, name)
  refuses("counter name: not a number", name.read, name)
  name:reset()
  name:add(0.5)
  equal(name:read(), 0.5)
end)

test("an entry that is updated all the time ends when it was to", function()
  local dict = new()
  dict:set("key", 1, 0.05)
  local deadline = hive.now() + 30
  repeat
    local updated = dict:update("key", function(n)
      return n and n + 1
    end)
  until updated == nil or hive.now() > deadline
  equal(dict:get "key", nil)
end)

test("deep figures tell what every byte holds", function()
  local dict = new()
  local whole = dict:free_space()
  dict:set("key", ("x"):rep(1000))
  dict:rpush("list", ("x"):rep(500))
  local stats = dict:stats { deep = true }
  are({ 1, 1, 0 }, stats.values, stats.lists, stats.overdue)
  are({ 7, 1000 }, stats.key_bytes, stats.value_bytes)
  assert(stats.element_bytes >= 500 and stats.overhead_bytes > 0)
  local live = stats.key_bytes + stats.value_bytes + stats.overhead_bytes
  equal(stats.live_bytes, live)
  equal(live + stats.element_bytes + stats.overdue_bytes + stats.free_bytes, whole)
  equal(stats.entries, 2)
  dict:flush_all()
  equal(dict:stats({ deep = true }).live_bytes, 0)
  equal(dict:stats({}).live_bytes, nil)
  refuses("unknown option 'depth'", dict.stats, dict, { depth = true })
end)

test("figures", function()
  local dict = new()
  dict:set("key", 1)
  dict:get "key"
  dict:get "none"
  local stats = dict:stats()
  equal(stats.entries, 1)
  equal(stats.hits, 1)
  equal(stats.misses, 1)
  equal(stats.capacity_bytes, 65536)
  match(dict:name(), "^test")
end)

check.done()
