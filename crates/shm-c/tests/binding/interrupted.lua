-- Calls that other calls interrupt: a `__tostring` of a key, and finalizers, which run wherever
-- memory is taken. Called with the library and the name of a dictionary; that with "-small" behind
-- it is full of live entries, which nobody may throw out.

local ffi = require("ffi")
local shm = require("moonhive_shm")

shm.load(arg[1])
local dict = assert(shm.attach(arg[2]))
local small = assert(shm.attach(arg[2] .. "-small"))

local function expect(text, ...)
  local found = {}
  for index = 1, select("#", ...) do
    found[index] = tostring((select(index, ...)))
  end
  local joined = table.concat(found, " ")
  assert(joined == text, "expected " .. text .. ", found " .. joined)
end

-- A key that does something before it is known.
local function key_that(act)
  return setmetatable({}, {
    __tostring = function()
      act()
      return "k"
    end,
  })
end

local function seconds(span)
  return span and math.ceil(span)
end

local sets_other = key_that(function()
  dict:set("other", 1, 1000, 77)
end)
dict:set(sets_other, "v", 5, 3)
expect("5 v 3", seconds(dict:ttl("k")), dict:get("k"))
dict:delete("k")
expect("true nil false", dict:add(sets_other, 1, 5))
expect("5 1", seconds(dict:ttl("k")), dict:get("k"))
expect("true nil false", dict:replace(sets_other, 2, 7, 4))
expect("7 2 4", seconds(dict:ttl("k")), dict:get("k"))
dict:delete("k")
expect("5 nil false", dict:incr(sets_other, 2, 3, 9))
expect("9", seconds(dict:ttl("k")))

-- What may throw nobody out does not, though its key sets something that may.
for _, method in ipairs({ "safe_set", "safe_add" }) do
  expect("false no memory false", small[method](small, sets_other, ("x"):rep(9000)))
end
assert(small:statistics().evictions == 0)

-- Finalizers that run a call of each kind while others are under way, whose answers are looked at.
local LARGE, LARGER = ("a"):rep(20000), ("b"):rep(30000)
local TIMES = 200

local function prepare()
  dict:flush_all()
  dict:flush_expired()
  dict:set("its own", "other", 1000, 77)
  dict:set("its large one", LARGER)
  dict:rpush("its list", 12.5)
  dict:set("large", LARGE)
  dict:set("text", "text")
  dict:set("list", nil)
  dict:rpush("list", 1)
end

local ACTS = {
  set = function()
    dict:set("its own", "other", 1000, 77)
  end,
  safe_add = function()
    dict:safe_add("its own", 2.5, 500, 6)
  end,
  get = function()
    dict:get("its own")
  end,
  get_large = function()
    dict:get("its large one")
  end,
  get_list = function()
    dict:get("its list")
  end,
  ttl = function()
    dict:ttl("its own")
  end,
  incr = function()
    dict:incr("its number", 3, 4, 700)
  end,
  fail = function()
    dict:lpush("its own", 1)
  end,
  lists = function()
    dict:rpush("its list", "element")
    dict:lrange("its list")
    dict:lpop("its list")
  end,
  keys = function()
    dict:get_keys(3)
  end,
}

local function look(index)
  local key, text = "key " .. index % 50, ("v"):rep(index % 40) .. index
  local flags, span = 1 + index % 5, 10 * (index % 3)
  expect("true nil false", dict:set(key, text, span, flags))
  expect(text .. " " .. flags, dict:get(key))
  expect(text .. " " .. flags .. " false", dict:get_stale(key))
  expect(tostring(span), seconds(dict:ttl(key)))
  expect("false exists false", dict:safe_add(key, index))
  dict:set(key, index, 0, flags)
  local value, version, kept = dict:get_versioned(key)
  expect(index .. " " .. flags, value, kept)
  expect("true nil false", dict:cas(key, version, index + 0.5))
  expect(tostring(index + 1), dict:incr(key, 0.5))
  dict:delete(key)
  expect(index + 1 .. " nil false", dict:incr(key, index, 1))
  expect("0", dict:ttl(key))
  expect("nil not a number", dict:incr("text", 1))
  expect("nil value is a list", dict:get("list"))
  expect("nil value not a list", dict:llen("text"))
  expect("nil not found", dict:expire("none", 1))
  expect("1", dict:rpush("elements", text))
  expect("2", dict:rpush("elements", LARGE))
  expect("2", dict:llen("elements"))
  local elements = dict:lrange("elements")
  assert(#elements == 2 and elements[1] == text and elements[2] == LARGE, "lrange")
  expect(text, dict:lpop("elements"))
  assert(dict:lpop("elements") == LARGE, "lpop")
  assert(dict:get("large") == LARGE, "get")
  assert(#dict:get_keys(0) >= 4, "get_keys")
end

-- Compiled code whose answers change in the middle leaves it there, and finalizers run there, too.
local function change(index)
  local found = {}
  for turn = 1, 8 do
    dict:set("changing", turn == 5 and 5 or turn == 6 and true or "t" .. turn, 0, turn % 3)
    local value, flags = dict:get(turn == 7 and "none" or turn == 8 and "large" or "changing")
    found[turn] = tostring(value == LARGE and "large" or value) .. tostring(flags)
  end
  local text = table.concat(found, " ")
  assert(text == "t11 t22 t3nil t41 52 truenil nilnil largenil", index .. ": " .. text)
end

local function round(how)
  for name, act in pairs(ACTS) do
    prepare()
    local count, is_over = 0, false
    local function finalizer()
      if not is_over then
        count = count + 1
        act()
      end
    end
    for index = 1, TIMES do
      for _ = 1, 4 do
        ffi.gc(ffi.new("char[64]"), finalizer)
      end
      local ok, problem = pcall(index % 2 == 0 and look or change, index)
      assert(ok, name .. ", " .. how .. ": " .. tostring(problem))
    end
    is_over = true
    assert(count > 0, name)
  end
end

-- Ends calls by an error at each of their instructions; those that end in the midst never say that
-- they are over. Returns how many have ended.
local function break_off(call)
  local broken = 0
  for instructions = 1, 200 do
    local ok = pcall(function()
      debug.sethook(function()
        debug.sethook()
        error("broken off")
      end, "", instructions)
      call()
      debug.sethook()
    end)
    broken = broken + (ok and 0 or 1)
  end
  return broken
end

round("compiled")
jit.off()
jit.flush()
round("interpreted")
for _ = 1, 2 do
  assert(break_off(function()
    dict:get("text")
  end) > 0)
  round("after calls that were broken off")
end

-- Finalizers that run when the Lua state ends, some of them after those that close dictionaries.
local kept = {}
for index = 1, 100 do
  kept[index] = ffi.gc(ffi.new("char[64]"), function()
    dict:set("last", index)
  end)
end
print(#kept == 100 and "done")
