-- What the binding has beyond ngx.shared.DICT, in a plain LuaJIT: called with the library and the
-- name of a dictionary, in which a host has left a table under "of a host" and in the list "mixed".

local ffi = require("ffi")
local shm = require("moonhive_shm")

shm.load(arg[1])
local dict = assert(shm.attach(arg[2]))

local function expect(text, ...)
  local found = {}
  for index = 1, select("#", ...) do
    found[index] = tostring((select(index, ...)))
  end
  local joined = table.concat(found, " ")
  assert(joined == text, "expected " .. text .. ", found " .. joined)
end

local function expect_error(text, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok and tostring(err):find(text, 1, true), tostring(err))
end

-- Reading with the version, and storing by it.
expect("nil", dict:get_versioned("none"))
expect("nil empty key", dict:get_versioned(""))
expect("nil value is a table", dict:get_versioned("of a host"))
dict:set("word", "old", 0, 7)
local value, version, flags = dict:get_versioned("word")
expect("old 7", value, flags)
assert(version == dict:version("word"))
expect("true nil false", dict:cas("word", version, "new"))
expect("false changed false", dict:cas("word", version, "newest"))
expect("new", dict:get("word"))
expect("true nil false", dict:cas("fresh", nil, false))
expect("false changed false", dict:cas("fresh", nil, true))
value, version, flags = dict:get_versioned("fresh")
expect("false 0", value, flags)
expect("false not found false", dict:cas("none", version, 1))

-- Updating, also while another writer is faster.
expect(
  "1",
  dict:update("sum", function(found)
    assert(found == nil)
    return 1
  end, 60, 3)
)
local tries = 0
expect(
  "12",
  dict:update("sum", function(found)
    tries = tries + 1
    if tries == 1 then
      dict:set("sum", 11, 30, 4)
    end
    return found + 1
  end)
)
expect("2", tries)
expect("12 4", dict:get("sum"))
assert(dict:ttl("sum") > 25 and dict:ttl("sum") <= 30)
expect("12", dict:update("sum", function() end))
expect(
  "nil bad value type",
  dict:update("sum", function()
    return print
  end)
)
expect("nil value is a table", dict:update("of a host", error))
expect(
  "nil changed",
  dict:update("sum", function(found)
    dict:incr("sum", 1)
    return found
  end)
)
expect("1012 4", dict:get("sum"))

-- Times as integers of the FFI; what is no number is none.
dict:set("timed", 1, ffi.new("int64_t", 5))
expect("5", math.ceil(dict:ttl("timed")))
dict:add("timed as well", 1, ffi.new("uint64_t", 7))
expect("7", math.ceil(dict:ttl("timed as well")))
expect("true nil false", dict:set("timed", 1, ffi.new("int64_t")))
expect("0", dict:ttl("timed"))
expect_error('bad "exptime" argument', dict.set, dict, "timed", 1, ffi.new("int64_t", -1))
expect_error("attempt to compare", dict.set, dict, "timed", 1, ffi.new("int[1]"))

-- Errors name the line of the caller.
local function expect_place(f)
  local line = debug.getinfo(f, "S").linedefined + 1
  expect_error(("beyond.lua:%d: bad "):format(line), f)
end
expect_place(function()
  dict:incr("counted", 1, {})
end)
expect_place(function()
  dict:incr("counted", 1, 0, {})
end)
expect_place(function()
  dict:lrange("counted", {})
end)

-- A list that ends, and elements of other types.
expect("1", dict:rpush("brief", true, { ttl = 0.02 }))
expect("2", dict:rpush("brief", 5, {}))
expect("3", dict:lpush("brief", "x", { ttl = 60 }))
assert(dict:ttl("brief") <= 0.02)
expect("x true 5", unpack(dict:lrange("brief")))
expect("false timeout", dict:wait("none", nil, 0.03))
expect("0", dict:llen("brief"))
expect("nil bad value type", dict:rpush("brief", nil, {}))
expect("nil bad value type", dict:lpush("brief", print, {}))
expect("nil empty key", dict:lpush("", 1, {}))
expect("nil value not a list", dict:lpush("word", 1, { ttl = 1 }))
local function expect_refused(text, wanted)
  expect_error(text, dict.lpush, dict, "brief", 1, wanted)
end
expect_refused("unknown option 'tll' (expected evict, ttl)", { tll = 1 })
expect_refused("option 'ttl': expected seconds from 0 (for ever) up, got -1", { ttl = -1 })
expect_refused("option 'ttl': expected seconds from 0 (for ever) up, got string", { ttl = "soon" })
expect_refused("option 'evict': expected true or false, got 1", { evict = 1 })
expect_error("expecting 3 arguments, but only seen 4", dict.rpush, dict, "brief", 1, 60)
expect_error("string expected, got boolean", dict.rpush, dict, true, 1, {})
expect("0", dict:llen("brief"))

-- A push that others go for, if it may.
local small = assert(shm.attach(arg[2] .. "-small"))
local text = ("x"):rep(500)
while small:safe_set("entry " .. small:statistics().entries, text) do
end
expect("nil no memory", small:rpush("list", text, { evict = false }))
expect("nil no memory", small:rpush("list", text, {}))
expect("1", small:rpush("list", text, { evict = true }))
assert(small:statistics().evictions > 0)

-- A new list that finds no room even for its head is refused with false, as nginx does it.
local lists = 0
while small:rpush("brief " .. lists, 1) do
  lists = lists + 1
end
expect("false no memory", small:rpush("another", 1))
expect("false no memory", small:lpush("another", 1, {}))
expect("nil no memory", small:rpush("brief 0", text))

-- Enumeration, of more entries than a step asks for, while others come and go.
local count = 600
for index = 1, count do
  dict:set("many:" .. index, index, 0, index % 2)
end
local seen = 0
for key in dict:keys({ prefix = "many:" }) do
  seen = seen + 1
  dict:set("meanwhile:" .. seen, key)
end
assert(seen == count, seen)
local sum, odd = 0, 0
for key, found, kept in dict:items({ prefix = "many:" }) do
  assert(key == "many:" .. found)
  sum, odd = sum + found, odd + (kept or 0)
end
assert(sum == count * (count + 1) / 2 and odd == count / 2)
for _ in dict:keys({ prefix = "nobody" }) do
  error("nothing begins so")
end
dict:rpush("list", "a")
dict:rpush("list", 2)
local shown = {}
for key, found, kept in dict:items() do
  shown[key] = { found, kept }
end
expect("a 2", unpack(shown.list[1]))
expect("list", shown.list[2])
expect("nil value is a table", shown["of a host"][1], shown["of a host"][2])
expect("nil value is a table", shown.mixed[1], shown.mixed[2])
expect("false nil", shown.fresh[1], shown.fresh[2])
assert(shown.none == nil and shown.brief == nil)
expect_error("option 'prefix': expected a string, got 5", dict.keys, dict, { prefix = 5 })
expect_error("unknown option 'like' (expected prefix)", dict.items, dict, { like = "a" })
expect_error("options: table expected, got string", dict.keys, dict, "many:")
expect_error('bad "zone" argument', dict.keys, {})

-- A few keys of a large dictionary are found without looking at all of them.
local large = assert(shm.attach(arg[2] .. "-large"))
for index = 1, 20000 do
  large:set("key " .. index, index)
end
local function kilobytes_for(wanted)
  collectgarbage()
  collectgarbage("stop")
  local before = collectgarbage("count")
  local keys = large:get_keys(wanted)
  local taken = collectgarbage("count") - before
  collectgarbage("restart")
  return taken, #keys
end
local taken, found = kilobytes_for(10)
assert(found == 10 and taken < 100, taken)
taken, found = kilobytes_for(3000)
assert(found == 3000 and taken < 1000, taken)
expect("1024", #large:get_keys())
local all = {}
for _, key in ipairs(large:get_keys(0)) do
  all[key] = true
end
for index = 1, 20000 do
  assert(all["key " .. index])
end

local next_key = dict:keys()
dict:close()
expect_error('bad "zone" argument', next_key)
print("done")
