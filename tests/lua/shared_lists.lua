-- Shared dictionaries: lists, and what happens when a dictionary is full.

local check = require "check"
local dictionaries = require "dictionaries"

local equal, refuses, test = check.equal, check.refuses, check.test
local are, expired, new = dictionaries.are, dictionaries.expired, dictionaries.new

test("elements go in and out at both ends", function()
  local dict = new()
  are({ 1 }, dict:rpush("list", "b"))
  are({ 2 }, dict:lpush("list", "a"))
  are({ 3 }, dict:rpush("list", 3))
  are({ 4 }, dict:rpush("list", 4.5))
  are({ 4 }, dict:llen "list")
  are({ "a" }, dict:lpop "list")
  are({ 4.5 }, dict:rpop "list")
  are({ 3 }, dict:rpop "list")
  are({ "b" }, dict:lpop "list")
  are({ n = 1, nil }, dict:lpop "list")
  are({ n = 1, nil }, dict:rpop "list")
  are({ 0 }, dict:llen "list")
  are({ n = 1, nil }, dict:get "list")
end)

test("arguments of lists are counted and checked", function()
  local dict = new()
  for _, name in ipairs { "lpush", "rpush" } do
    refuses("expecting 3 arguments, but only seen 2", dict[name], dict, "list")
    refuses("expecting 3 arguments, but only seen 4", dict[name], dict, "list", 1, 2)
    refuses('bad "zone" argument', dict[name], {}, "list", 1)
    are({ n = 2, nil, "nil key" }, dict[name](dict, nil, 1))
    are({ n = 2, nil, "empty key" }, dict[name](dict, "", 1))
    are({ n = 2, nil, "key too long" }, dict[name](dict, ("x"):rep(65536), 1))
    refuses("string expected, got boolean", dict[name], dict, true, 1)
    refuses("string expected, got table", dict[name], dict, {}, 1)
    for _, value in ipairs { true, {}, print } do
      are({ n = 2, nil, "bad value type" }, dict[name](dict, "list", value))
    end
    are({ n = 2, nil, "bad value type" }, dict[name](dict, "list", nil))
  end
  for _, name in ipairs { "lpop", "rpop", "llen" } do
    refuses("expecting 2 arguments, but only seen 1", dict[name], dict)
    refuses("expecting 2 arguments, but only seen 3", dict[name], dict, "list", 1)
    refuses('bad "zone" argument', dict[name], {}, "list")
    are({ n = 2, nil, "nil key" }, dict[name](dict, nil))
    are({ n = 2, nil, "empty key" }, dict[name](dict, ""))
    are({ n = 2, nil, "key too long" }, dict[name](dict, ("x"):rep(65536)))
    refuses("string expected, got boolean", dict[name], dict, true)
  end
end)

test("a number as a key of a list is its text", function()
  local dict = new()
  dict:rpush(7, "a")
  are({ 1 }, dict:llen "7")
  are({ "a" }, dict:lpop(7.0))
end)

test("lists and plain values do not mix", function()
  local dict = new()
  dict:set("plain", 1)
  are({ n = 2, nil, "value not a list" }, dict:lpush("plain", 1))
  are({ n = 2, nil, "value not a list" }, dict:rpush("plain", 1))
  are({ n = 2, nil, "value not a list" }, dict:lpop "plain")
  are({ n = 2, nil, "value not a list" }, dict:rpop "plain")
  are({ n = 2, nil, "value not a list" }, dict:llen "plain")
  dict:rpush("list", 1)
  are({ n = 2, nil, "value is a list" }, dict:get "list")
  are({ n = 2, nil, "value is a list" }, dict:get_stale "list")
  are({ n = 2, nil, "not a number" }, dict:incr("list", 1, 0))
  are({ n = 3, false, "exists", false }, dict:add("list", 1))
  are({ n = 3, true, nil, false }, dict:replace("list", "x"))
  are({ "x" }, dict:get "list")
  dict:delete "list"
  dict:rpush("list", 1)
  are({ n = 3, true, nil, false }, dict:set("list", "y"))
  are({ "y" }, dict:get "list")
  dict:set("list", nil)
  dict:rpush("list", 1)
  are({ n = 3, true, nil, false }, dict:delete "list")
  are({ 0 }, dict:llen "list")
  dict:rpush("list", 1)
  are({ n = 3, true, nil, false }, dict:safe_set("list", nil))
  are({ 0 }, dict:llen "list")
end)

test("a list has no end until it gets one, and pushes keep it", function()
  local dict = new()
  dict:rpush("list", 1)
  are({ 0 }, dict:ttl "list")
  are({ true }, dict:expire("list", 100))
  dict:rpush("list", 2)
  dict:lpop "list"
  assert(dict:ttl "list" > 90)
  dict:expire("list", 0.001)
  expired(dict, "list")
  are({ n = 2, nil, "value is a list" }, dict:get_stale "list")
  are({ n = 1, nil }, dict:lpop "list")
  are({ 0 }, dict:llen "list")
  are({ 1 }, dict:rpush("list", 3))
  are({ 0 }, dict:ttl "list")
end)

test("a push onto an expired plain value begins a list", function()
  local dict = new()
  dict:set("key", "v", 0.001)
  expired(dict, "key")
  are({ 1 }, dict:lpush("key", "a"))
  are({ "a" }, dict:lpop "key")
end)

test("a list counts as one entry", function()
  local dict = new()
  for i = 1, 5 do
    dict:rpush("list", i)
  end
  dict:set("plain", 1)
  equal(#dict:get_keys(), 2)
  dict:flush_all()
  equal(#dict:get_keys(), 0)
end)

test("a new list may get an end, and any value then", function()
  local dict = new()
  are({ 1 }, dict:rpush("list", { job = 1 }, { ttl = 100 }))
  assert(dict:ttl "list" > 90)
  are({ 2 }, dict:rpush("list", true, { ttl = 5 }))
  assert(dict:ttl "list" > 90)
  equal(dict:lpop("list").job, 1)
  are({ true }, dict:lpop "list")
  are({ n = 2, nil, "bad value type" }, dict:rpush("list", nil, {}))
end)

test("a part of a list can be read", function()
  local dict = new()
  for i = 1, 5 do
    dict:rpush("list", i)
  end
  local function text(...)
    return table.concat(dict:lrange("list", ...), " ")
  end
  equal(text(), "1 2 3 4 5")
  equal(text(2, 4), "2 3 4")
  equal(text(-2), "4 5")
  equal(text(1, -3), "1 2 3")
  equal(text(4, 9), "4 5")
  equal(#dict:lrange "none", 0)
  dict:set("plain", 1)
  are({ n = 2, nil, "value not a list" }, dict:lrange "plain")
end)

-- Fills a dictionary with live entries until it has to throw one out; how many fit.
local function fill(dict, value)
  for i = 1, 100000 do
    local ok, reason = dict:safe_set("fill" .. i, value)
    if not ok then
      equal(reason, "no memory")
      return i - 1
    end
  end
  error "the dictionary does not fill up"
end

test("safe stores are refused when all is full, and leave what is there", function()
  local dict = new "16k"
  local count = fill(dict, ("x"):rep(100))
  are({ n = 3, false, "no memory", false }, dict:safe_set("new", ("x"):rep(100)))
  are({ n = 3, false, "no memory", false }, dict:safe_add("new", ("x"):rep(100)))
  are({ n = 3, false, "no memory", false }, dict:safe_set("fill1", ("x"):rep(1000)))
  are({ ("x"):rep(100) }, dict:get "fill1")
  equal(#dict:get_keys(0), count)
end)

test("a store throws out the least recently used entry, and says so", function()
  local dict = new "16k"
  local count = fill(dict, ("x"):rep(100))
  dict:get "fill1"
  are({ n = 3, true, nil, true }, dict:set("new", ("x"):rep(100)))
  are({ ("x"):rep(100) }, dict:get "fill1")
  are({ n = 1, nil }, dict:get "fill2")
  assert(#dict:get_keys(0) >= count - 1)
  are({ n = 3, true, nil, true }, dict:add("newer", ("x"):rep(100)))
  are({ n = 3, true, nil, true }, dict:replace("new", ("x"):rep(500)))
end)

test("incr throws out others for a new number", function()
  local dict = new "16k"
  fill(dict, ("x"):rep(20))
  local sum, reason, forcible
  for i = 1, 20 do
    sum, reason, forcible = dict:incr("counter" .. i, 1, 0)
    are({ n = 2, 1, nil }, sum, reason)
    if forcible then
      break
    end
  end
  equal(forcible, true)
end)

test("a value that cannot fit throws nobody out", function()
  local dict = new "16k"
  local count = fill(dict, ("x"):rep(100))
  are({ n = 3, false, "no memory", false }, dict:set("new", ("x"):rep(20000)))
  equal(#dict:get_keys(0), count)
  dict:set("fill1", "kept")
  are({ n = 3, false, "no memory", false }, dict:set("fill1", ("x"):rep(20000)))
  are({ "kept" }, dict:get "fill1")
end)

test("a push throws nobody out", function()
  local dict = new "16k"
  local count = 0
  while dict:rpush("list", ("x"):rep(100)) do
    count = count + 1
  end
  are({ n = 2, nil, "no memory" }, dict:rpush("list", ("x"):rep(100)))
  are({ count }, dict:llen "list")
  while dict:safe_set("fill" .. dict:free_space(), 1) do
    count = count + 1
  end
  local length, reason = dict:rpush("other", 1)
  equal(reason, "no memory")
  assert(not length)
  are({ 0 }, dict:llen "other")
end)

test("expired entries make room for others", function()
  local dict = new "16k"
  for i = 1, 1000 do
    if not dict:safe_set("brief" .. i, ("x"):rep(100), 0.05) then
      break
    end
  end
  dict:set("lasting", 1)
  expired(dict, "brief20")
  are({ n = 3, true, nil, false }, dict:set("new", ("x"):rep(1000)))
  are({ 1 }, dict:get "lasting")
end)

check.done()
