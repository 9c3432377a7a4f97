-- Shared dictionaries: the methods of ngx.shared.DICT for plain values, with results and words.

local check = require "check"
local dictionaries = require "dictionaries"
local shared = require "shared"

local equal, refuses, test = check.equal, check.refuses, check.test
local are, expired, new = dictionaries.are, dictionaries.expired, dictionaries.new

local KEYED = {
  "get",
  "get_stale",
  "set",
  "safe_set",
  "add",
  "safe_add",
  "replace",
  "delete",
  "incr",
  "ttl",
  "expire",
}

test("a method that is not called on a dictionary raises", function()
  local dict = new()
  for _, name in ipairs(KEYED) do
    refuses('bad "zone" argument', dict[name], {}, "key", 1)
    refuses('bad "zone" argument', dict[name], nil, "key", 1)
    refuses('bad "zone" argument', dict[name])
  end
  for _, name in ipairs { "capacity", "free_space", "flush_all", "stats", "check", "repair" } do
    refuses('bad "zone" argument', dict[name], "dict")
  end
end)

test("keys are refused with the words of nginx", function()
  local dict = new()
  for _, name in ipairs(KEYED) do
    are({ n = 2, nil, "nil key" }, dict[name](dict, nil, 1))
    are({ n = 2, nil, "empty key" }, dict[name](dict, "", 1))
    are({ n = 2, nil, "key too long" }, dict[name](dict, ("x"):rep(65536), 1))
  end
  are({ n = 2, nil, "nil key" }, dict:get())
end)

test("a key of 65,535 bytes fits", function()
  local dict = new "256k"
  local key = ("x"):rep(65535)
  are({ n = 3, true, nil, false }, dict:set(key, 1))
  are({ 1 }, dict:get(key))
end)

test("a number as a key is its text, and an integral float the integer's", function()
  local dict = new()
  dict:set(56, "a")
  are({ "a" }, dict:get "56")
  are({ "a" }, dict:get(56.0))
  dict:set("1.5", "b")
  are({ "b" }, dict:get(1.5))
  dict:set(-0.0, "c")
  are({ "c" }, dict:get "-0")
end)

test("any other value as a key is what tostring makes of it", function()
  local dict = new()
  dict:set(true, "yes")
  are({ "yes" }, dict:get "true")
  local key = setmetatable({}, {
    __tostring = function()
      return "named"
    end,
  })
  dict:set(key, "object")
  are({ "object" }, dict:get "named")
end)

test("a key whose __tostring fails raises what that raises, and stores nothing", function()
  local dict = new()
  local function key(value)
    return setmetatable({}, {
      __tostring = function()
        return value or error({ "inner" }, 0)
      end,
    })
  end
  for _, name in ipairs { "get", "set", "add", "delete", "incr", "ttl", "expire", "get_stale" } do
    local ok, err = pcall(dict[name], dict, key(), 1)
    equal(ok, false)
    equal(type(err) == "table" and err[1], "inner", name)
    ok, err = pcall(dict[name], dict, key {}, 1)
    equal(ok, false)
    assert(err:find("'__tostring' must return a string", 1, true), err)
  end
  equal(#dict:get_keys(), 0)
  dict:set(key "a\xff\0b", 1)
  are({ 1 }, dict:get "a\xff\0b")
end)

test("keys and values may hold any bytes", function()
  local dict = new()
  dict:set("a\0b", "x\0y")
  dict:set("a\0c", "other")
  are({ "x\0y" }, dict:get "a\0b")
  are({ n = 1, nil }, dict:get "a")
end)

test("every kind of value comes back as it was", function()
  local dict = new()
  local values = { "", "text", 0, -1, 1.5, true, false, math.maxinteger, math.mininteger, 1e300 }
  for i, value in ipairs(values) do
    are({ n = 3, true, nil, false }, dict:set(i, value))
    local found = dict:get(i)
    equal(found, value)
    equal(math.type(found), math.type(value))
  end
  for _, value in ipairs { 1 / 0, -1 / 0 } do
    dict:set("inf", value)
    are({ value }, dict:get "inf")
  end
  dict:set("nan", 0 / 0)
  local nan = dict:get "nan"
  assert(nan ~= nan)
  dict:set("zero", -0.0)
  equal(1 / dict:get "zero", -1 / 0)
end)

test("a text of digits stays a text", function()
  local dict = new()
  dict:set("text", "123")
  dict:set("number", 123)
  equal(type(dict:get "text"), "string")
  equal(type(dict:get "number"), "number")
end)

test("an integer beyond 2^53 stays exact", function()
  local dict = new()
  dict:set("n", 9007199254740993)
  are({ 9007199254740993 }, dict:get "n")
  are({ 9007199254740994 }, dict:incr("n", 1))
end)

test("what no dictionary holds is refused, and the old value stays", function()
  local dict = new()
  dict:set("key", "old")
  for _, name in ipairs { "set", "safe_set", "replace" } do
    are({ n = 2, nil, "bad value type" }, dict[name](dict, "key", print))
    are({ n = 2, nil, "bad value type" }, dict[name](dict, "key", coroutine.create(print)))
    are({ n = 2, nil, "bad value type" }, dict[name](dict, "key", dict))
  end
  are({ n = 2, nil, "bad value type" }, dict:add("other", print))
  are({ "old" }, dict:get "key")
end)

test("get of nothing is one nil", function()
  local dict = new()
  are({ n = 1, nil }, dict:get "none")
  are({ n = 1, nil }, dict:get_stale "none")
end)

test("flags come back when they are not zero", function()
  local dict = new()
  dict:set("key", "v", 0, 5)
  are({ "v", 5 }, dict:get "key")
  dict:set("key", "v", 0, 7.9)
  are({ "v", 7 }, dict:get "key")
  dict:set("key", "v", 0, 0)
  are({ "v" }, dict:get "key")
  dict:set("key", "v", nil, nil)
  are({ "v" }, dict:get "key")
  dict:set("key", "v", 0, -1)
  are({ "v", -1 }, dict:get "key")
  dict:set("key", "v", 0, 2147483647)
  are({ "v", 2147483647 }, dict:get "key")
  dict:set("key", false, 0, 3)
  are({ false, 3 }, dict:get "key")
  refuses("cannot convert 'string' to 'int'", dict.set, dict, "key", "v", 0, "many")
end)

test("a store resets flags and time to live", function()
  local dict = new()
  dict:set("key", "v", 100, 5)
  dict:set("key", "w")
  are({ "w" }, dict:get "key")
  are({ 0 }, dict:ttl "key")
end)

test("an exptime that makes no sense raises", function()
  local dict = new()
  for _, name in ipairs { "set", "safe_set", "add", "safe_add", "replace" } do
    refuses('bad "exptime" argument', dict[name], dict, "key", 1, -1)
    refuses('bad "exptime" argument', dict[name], dict, nil, 1, -0.5)
    refuses("attempt to compare string with number", dict[name], dict, "key", 1, "1")
    refuses("attempt to compare boolean with number", dict[name], dict, "key", 1, true)
  end
  are({ n = 1, nil }, dict:get "key")
end)

test("no exptime, zero and false are for ever", function()
  local dict = new()
  for i, exptime in ipairs { 0, false } do
    dict:set(i, "v", exptime)
    are({ 0 }, dict:ttl(i))
  end
  dict:set("nil", "v", nil)
  are({ 0 }, dict:ttl "nil")
  dict:set("long", "v", 2 ^ 31)
  assert(dict:ttl "long" > 2 ^ 31 - 10)
end)

test("an exptime below a millisecond is short, not for ever", function()
  local dict = new()
  dict:set("key", "v", 0.0004)
  expired(dict, "key")
  are({ n = 1, nil }, dict:get "key")
end)

test("an entry expires, and stays readable as a stale one", function()
  local dict = new()
  dict:set("key", "v", 0.01, 9)
  are({ "v", 9, false }, dict:get_stale "key")
  expired(dict, "key")
  are({ "v", 9, true }, dict:get_stale "key")
  are({ n = 1, nil }, dict:get "key")
  dict:set("plain", "v")
  are({ n = 3, "v", nil, false }, dict:get_stale "plain")
end)

test("a call gives expired entries back that nothing was used after", function()
  local dict = new()
  dict:set("key", "v", 0.001)
  expired(dict, "key")
  are({ n = 1, nil }, dict:get "key")
  are({ n = 1, nil }, dict:get_stale "key")
  are({ n = 2, nil, "not found" }, dict:ttl "key")
  dict:set("live", 1)
  dict:set("key", "v", 0.001)
  expired(dict, "key")
  are({ n = 1, nil }, dict:get "key")
  are({ n = 3, "v", nil, true }, dict:get_stale "key")
end)

test("set of nil deletes", function()
  local dict = new()
  dict:set("key", 1)
  are({ n = 3, true, nil, false }, dict:set("key", nil))
  are({ n = 1, nil }, dict:get "key")
  are({ n = 3, true, nil, false }, dict:set "absent")
  dict:set("key", 1)
  are({ n = 3, true, nil, false }, dict:safe_set("key", nil))
  are({ n = 1, nil }, dict:get "key")
end)

test("delete answers true, present or not", function()
  local dict = new()
  dict:set("key", 1)
  are({ n = 3, true, nil, false }, dict:delete "key")
  are({ n = 3, true, nil, false }, dict:delete "key")
  are({ n = 1, nil }, dict:get "key")
end)

test("add stores what is not there", function()
  local dict = new()
  for _, name in ipairs { "add", "safe_add" } do
    dict:delete "key"
    are({ n = 3, true, nil, false }, dict[name](dict, "key", 1, 0, 2))
    are({ 1, 2 }, dict:get "key")
    are({ n = 3, false, "exists", false }, dict[name](dict, "key", 2))
    are({ 1, 2 }, dict:get "key")
    dict:set("false", false)
    are({ n = 3, false, "exists", false }, dict[name](dict, "false", 2))
    local words = "attempt to add or replace nil values"
    are({ n = 3, false, words, false }, dict[name](dict, "nil", nil))
    are({ n = 3, false, words, false }, dict[name](dict, "key", nil))
  end
end)

test("add counts an expired entry as absent", function()
  local dict = new()
  dict:set("key", 1, 0.001)
  expired(dict, "key")
  are({ n = 3, true, nil, false }, dict:add("key", 2))
  are({ 2 }, dict:get "key")
end)

test("replace stores what is there", function()
  local dict = new()
  are({ n = 3, false, "not found", false }, dict:replace("key", 1))
  dict:set("key", 1)
  are({ n = 3, true, nil, false }, dict:replace("key", "two", 0, 4))
  are({ "two", 4 }, dict:get "key")
  local words = "attempt to add or replace nil values"
  are({ n = 3, false, words, false }, dict:replace("key", nil))
  dict:set("key", 1, 0.001)
  expired(dict, "key")
  are({ n = 3, false, "not found", false }, dict:replace("key", 1))
  equal(dict.safe_replace, nil)
end)

test("incr adds to a number", function()
  local dict = new()
  dict:set("n", 5)
  are({ 7 }, dict:incr("n", 2))
  are({ 6 }, dict:incr("n", -1))
  are({ 6.5 }, dict:incr("n", 0.5))
  are({ 7.5 }, dict:incr("n", "1"))
  are({ 7.5 }, dict:get "n")
end)

test("incr of what is not there or no number fails", function()
  local dict = new()
  are({ n = 2, nil, "not found" }, dict:incr("n", 1))
  dict:set("n", 1, 0.001)
  expired(dict, "n")
  are({ n = 2, nil, "not found" }, dict:incr("n", 1))
  for _, value in ipairs { "5", true } do
    dict:set("key", value)
    are({ n = 2, nil, "not a number" }, dict:incr("key", 1))
    are({ n = 2, nil, "not a number" }, dict:incr("key", 1, 0))
  end
  dict:rpush("list", 1)
  are({ n = 2, nil, "not a number" }, dict:incr("list", 1))
end)

test("incr with init begins a number", function()
  local dict = new()
  are({ n = 3, 11, nil, false }, dict:incr("n", 1, 10))
  are({ n = 3, 12, nil, false }, dict:incr("n", 1, 10))
  are({ n = 3, 3, nil, false }, dict:incr("text", "1", "2"))
  are({ n = 2, nil, "not found" }, dict:incr("none", 1, nil))
  are({ n = 2, nil, "not found" }, dict:incr("none", 1, false))
  are({ 0 }, dict:ttl "n")
end)

test("incr with init counts an expired entry of any type as absent", function()
  local dict = new()
  dict:rpush("key", "element")
  dict:expire("key", 0.001)
  expired(dict, "key")
  are({ n = 3, 1, nil, false }, dict:incr("key", 1, 0))
end)

test("incr keeps flags and time to live of a live number", function()
  local dict = new()
  dict:set("n", 1, 100, 7)
  are({ n = 3, 2, nil, false }, dict:incr("n", 1, 0, 1))
  are({ 2, 7 }, dict:get "n")
  assert(dict:ttl "n" > 50)
end)

test("a counter may begin with a time to live", function()
  local dict = new()
  are({ n = 3, 1, nil, false }, dict:incr("n", 1, 0, 100))
  assert(dict:ttl "n" > 99)
  are({ n = 3, 1, nil, false }, dict:incr("m", 1, 0, "0.001"))
  expired(dict, "m")
  are({ n = 3, 1, nil, false }, dict:incr("m", 1, 0, 0))
  are({ 0 }, dict:ttl "m")
end)

test("arguments of incr that make no sense raise", function()
  local dict = new()
  dict:set("n", 1)
  refuses("cannot convert 'nil' to 'double'", dict.incr, dict, "n")
  refuses("cannot convert 'nil' to 'double'", dict.incr, dict, "n", "x")
  refuses("cannot convert 'nil' to 'double'", dict.incr, dict, "n", {})
  refuses("bad init arg: number expected, got string", dict.incr, dict, "n", 1, "x")
  refuses("bad init arg: number expected, got boolean", dict.incr, dict, "n", 1, true)
  refuses("bad init arg: number expected, got table", dict.incr, dict, "n", 1, {})
  refuses("bad init_ttl arg: number expected, got string", dict.incr, dict, "n", 1, 0, "x")
  refuses("bad init_ttl arg: number expected, got boolean", dict.incr, dict, "n", 1, 0, false)
  refuses('bad "init_ttl" argument', dict.incr, dict, "n", 1, 0, -1)
  refuses('must provide "init" when providing "init_ttl"', dict.incr, dict, "n", 1, nil, 1)
  refuses('must provide "init" when providing "init_ttl"', dict.incr, dict, "n", 1, false, 1)
  are({ 1 }, dict:get "n")
end)

test("an integer that would overflow is left alone", function()
  local dict = new()
  dict:set("n", math.maxinteger)
  are({ n = 2, nil, "integer overflow" }, dict:incr("n", 1))
  are({ math.maxinteger }, dict:get "n")
  dict:set("float", 1.7e308)
  are({ 1 / 0 }, dict:incr("float", 1.7e308))
end)

test("ttl tells the rest of a life", function()
  local dict = new()
  are({ n = 2, nil, "not found" }, dict:ttl "none")
  dict:set("key", 1)
  are({ 0 }, dict:ttl "key")
  dict:set("key", 1, 10)
  local ttl = dict:ttl "key"
  assert(ttl > 9 and ttl <= 10, ttl)
  dict:rpush("list", 1)
  are({ 0 }, dict:ttl "list")
end)

test("ttl of what has expired and was not reclaimed is negative", function()
  local dict = new()
  dict:set("key", 1, 0.001)
  expired(dict, "key")
  local ttl = dict:ttl "key"
  assert(ttl < 0 and ttl > -10, ttl)
  dict:flush_expired()
  are({ n = 2, nil, "not found" }, dict:ttl "key")
  for i = 1, 10 do
    dict:set(i, 1)
  end
  dict:flush_all()
  assert(dict:ttl(10) < -1.6e9, dict:ttl(10))
end)

test("expire gives an entry another end", function()
  local dict = new()
  dict:set("key", "v", 0, 3)
  are({ true }, dict:expire("key", 100))
  assert(dict:ttl "key" > 99)
  are({ "v", 3 }, dict:get "key")
  are({ true }, dict:expire("key", 0))
  are({ 0 }, dict:ttl "key")
  are({ true }, dict:expire("key", "0.001"))
  expired(dict, "key")
  are({ n = 2, nil, "not found" }, dict:expire("key", 10))
  are({ n = 2, nil, "not found" }, dict:expire("none", 10))
end)

test("an exptime of expire that makes no sense raises", function()
  local dict = new()
  dict:set("key", 1)
  refuses('bad "exptime" argument', dict.expire, dict, "key")
  refuses('bad "exptime" argument', dict.expire, dict, "key", false)
  refuses('bad "exptime" argument', dict.expire, dict, nil, nil)
  refuses('bad "exptime" argument', dict.expire, dict, "key", -1)
  refuses("attempt to perform arithmetic", dict.expire, dict, "key", "soon")
  refuses("attempt to perform arithmetic", dict.expire, dict, "key", {})
  are({ 0 }, dict:ttl "key")
end)

test("flush_all ends everything and returns nothing", function()
  local dict = new()
  for i = 1, 10 do
    dict:set(i, i)
  end
  dict:rpush("list", 1)
  are({}, dict:flush_all())
  equal(#dict:get_keys(), 0)
  -- The three oldest are given back at once, two more by each call; the others can still be read,
  -- which is a use.
  are({ n = 1, nil }, dict:get_stale(3))
  are({ n = 3, 4, nil, true }, dict:get_stale(4))
  are({ n = 1, nil }, dict:get(10))
  are({ n = 1, nil }, dict:get_stale(5))
  are({ n = 1, nil }, dict:get_stale(6))
  are({ n = 3, 4, nil, true }, dict:get_stale(4))
  are({ n = 3, 7, nil, true }, dict:get_stale(7))
  are({ 0 }, dict:llen "list")
  are({ 4 }, dict:flush_expired())
  for i = 1, 10 do
    are({ n = 1, nil }, dict:get(i))
    are({ n = 1, nil }, dict:get_stale(i))
  end
  dict:set(1, "new")
  are({ "new" }, dict:get(1))
end)

test("flush_expired gives back as many as it may", function()
  local dict = new()
  for i = 1, 10 do
    dict:set(i, i, 0.001)
  end
  dict:set("lasting", 1)
  expired(dict, 10)
  are({ 3 }, dict:flush_expired(3))
  are({ 2 }, dict:flush_expired(2.9))
  are({ 5 }, dict:flush_expired(0))
  are({ 0 }, dict:flush_expired())
  are({ 1 }, dict:get "lasting")
end)

test("get_keys lists the least recently used first", function()
  local dict = new()
  for i = 1, 5 do
    dict:set("k" .. i, i)
  end
  dict:get "k1"
  dict:add("k2", 1)
  dict:ttl "k3"
  dict:get_stale "k4"
  equal(table.concat(dict:get_keys(), " "), "k3 k5 k1 k2 k4")
  equal(table.concat(dict:get_keys(2), " "), "k3 k5")
  equal(#dict:get_keys(0), 5)
  equal(#dict:get_keys(-1), 5)
  equal(#dict:get_keys(1.9), 1)
end)

test("get_keys returns 1024 keys unless told otherwise, and none that has expired", function()
  local dict = new "512k"
  for i = 1, 1100 do
    dict:set(i, i)
  end
  equal(#dict:get_keys(), 1024)
  equal(#dict:get_keys(0), 1100)
  dict:set("brief", 1, 0.001)
  expired(dict, "brief")
  equal(#dict:get_keys(0), 1100)
end)

test("arguments of the whole that make no sense raise", function()
  local dict = new()
  refuses("number expected", dict.get_keys, dict, "many")
  refuses("number expected, got nil", dict.get_keys, dict, nil)
  refuses("bad user data", dict.get_keys, {})
  refuses("number expected", dict.flush_expired, dict, {})
  refuses("expecting 1 or 2 argument%(s%), but saw 3", dict.get_keys, dict, 1, 2)
  refuses("expecting 1 or 2 argument%(s%), but saw 0", dict.flush_expired)
  refuses("table expected", dict.get_keys, 5)
end)

test("capacity is what was asked for, and free space becomes less", function()
  local dict = new "64k"
  are({ 65536 }, dict:capacity())
  local before = dict:free_space()
  assert(before > 0 and before <= 65536)
  dict:set("key", ("x"):rep(8192))
  assert(dict:free_space() < before)
  equal(tostring(dict):match "^shared dictionary test", "shared dictionary test")
end)

test("surplus arguments are ignored", function()
  local dict = new()
  are({ n = 3, true, nil, false }, dict:set("key", 1, 0, 0, "more"))
  are({ 1 }, dict:get("key", "more"))
end)

test("a name is checked, and must be there, when a dictionary is opened", function()
  local failure = check.fails("invalid_name", shared.dict, "a/b", { size = "64k" })
  equal(type(failure.errno), "number")
  check.fails("no_such_object", shared.open, dictionaries.name())
  check.fails("no_such_object", shared.dict, dictionaries.name())
end)

test("a dictionary is made once and opened by name", function()
  local name = dictionaries.name()
  local dict, is_new = shared.dict(name, { size = "64KiB", mode = "0640" })
  equal(is_new, true)
  dict:set("key", "v")
  local same, again = shared.dict(name, { size = "64k" })
  equal(again, false)
  are({ "v" }, same:get "key")
  are({ "v" }, shared.open(name):get "key")
  check.fails("already_exists", shared.create, name, { size = "64k" })
  local found
  for _, object in ipairs(shared.list()) do
    found = object.name == name and object or found
  end
  equal(found.mode, "0640")
  equal(found.attached, true)
  equal(shared.unlink(name), true)
  equal(shared.unlink(name), false)
  are({ "v" }, dict:get "key")
  local other = shared.create(name, { size = "64k" })
  are({ n = 1, nil }, other:get "key")
  shared.unlink(name)
end)

check.done()
