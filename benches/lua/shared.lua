-- Dictionaries in shared memory, from a service: the calls by which nginx's are measured.

local bench = require "bench"
local hive = require "hive"
local shared = require "shared"

local n = bench.count(500000)
local name = ("bench-%d-%s"):format(os.time(), tostring({}):match "0x(%x+)")
local dict = shared.create(name, { size = "64m" })
shared.unlink(name)

local KEYS = 10000
local keys = {}
for i = 1, KEYS do
  keys[i] = ("key:%012d"):format(i)
  dict:set(keys[i], ("value %10d"):format(i))
end
local value = ("x"):rep(16)

-- Each in a turn of its own: together they would exceed the limit of a turn.
local function measure(label, count, work)
  hive.sleep(0)
  bench.measure(label, count, work)
end

-- What a method call costs that does next to nothing.
measure("shared_call", n, function()
  for _ = 1, n do
    dict:capacity()
  end
end)

measure("shared_get", n, function()
  for i = 1, n do
    dict:get(keys[i % KEYS + 1])
  end
end)
measure("shared_get_hot", n, function()
  local hot = keys[1]
  for _ = 1, n do
    dict:get(hot)
  end
end)
measure("shared_set", n, function()
  for i = 1, n do
    dict:set(keys[i % KEYS + 1], value)
  end
end)
measure("shared_set_ttl", n, function()
  for i = 1, n do
    dict:set(keys[i % KEYS + 1], value, 60)
  end
end)
measure("shared_incr_hot", n, function()
  for _ = 1, n do
    dict:incr("counter", 1, 0)
  end
end)
measure("shared_push_pop", n, function()
  for _ = 1, n do
    dict:rpush("list", value)
    dict:lpop "list"
  end
end)
measure("shared_table", n // 10, function()
  local user = { name = "ada", level = 7, tags = { "a", "b" } }
  for _ = 1, n // 10 do
    dict:set("user", user)
    dict:get "user"
  end
end)
