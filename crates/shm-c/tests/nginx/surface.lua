-- Cases of the surface of ngx.shared.DICT, run on nginx's own dictionary and on ours: the lines
-- must be equal.
--
-- What differs on purpose (docs/shared-memory-from-c.md) is no case here.

local function shown(x)
  if type(x) == "string" then
    return ("%q"):format(#x > 40 and #x .. " bytes" or x)
  end
  return tostring(x)
end

-- Results of a call with their number, or the error without its place.
local function results(ok, ...)
  if not ok then
    return "raises " .. tostring((...)):gsub("^[^:]*:%d+: ", "")
  end
  local texts = {}
  for index = 1, select("#", ...) do
    texts[index] = shown((select(index, ...)))
  end
  return #texts .. ": " .. table.concat(texts, ", ")
end

return function(dict)
  local lines = {}

  -- Calls a method; `how` says that the text of an error may differ.
  local function call(method, ...)
    lines[#lines + 1] = method .. " -> " .. results(pcall(dict[method], dict, ...))
  end

  -- Whether a call raises an error at all, where its text is LuaJIT's.
  local function raises(method, ...)
    lines[#lines + 1] = method .. " raises " .. tostring(not pcall(dict[method], dict, ...))
  end

  local long = ("k"):rep(65535)
  local values = { "text", "", "a\0b", 5, -5, 0, -0.0, 1.5, 1e300, 1 / 0, -1 / 0, 0 / 0, 2 ^ 53 }
  values[#values + 1] = true
  values[#values + 1] = false
  call("flush_all")
  for _, value in ipairs(values) do
    call("set", "value", value)
    call("get", "value")
    call("get_stale", "value")
  end
  for _, key in ipairs({ 56, "56", 1.5, true, long, long .. "k", "", "a\0b" }) do
    call("set", key, "x")
    call("get", key)
    call("delete", key)
  end
  for _, method in ipairs({ "get", "get_stale", "delete", "ttl", "llen", "lpop" }) do
    call(method, nil)
    call(method, "")
    call(method, long .. "k")
    call(method, "absent")
  end

  -- Wrong values and times.
  for _, method in ipairs({ "set", "safe_set", "add", "safe_add", "replace" }) do
    call(method, "wrong", {})
    call(method, "wrong", print)
    call(method, "wrong", nil)
    call(method, nil, "x")
    call(method, "", "x")
    call(method, "wrong", "x", -1)
    call(method, nil, nil, -1)
    raises(method, "wrong", "x", "soon")
    raises(method, "wrong", "x", 0, "flags")
  end

  -- Conditions, flags, nil as a value.
  call("add", "one", 1, 0, 7)
  call("get", "one")
  call("add", "one", 2)
  call("safe_add", "one", 2)
  call("replace", "one", "new")
  call("get", "one")
  call("replace", "absent", 1)
  call("set", "one", nil)
  call("get", "one")
  call("set", "one", nil)
  call("set", "flagged", "x", 0, 7.9)
  call("get", "flagged")
  call("get_stale", "flagged")
  call("safe_set", "flagged", "y", false, nil)
  call("get", "flagged")
  for _, flags in ipairs({ -1, -7.9, 2 ^ 31 - 1, -2 ^ 31, 3e9 }) do
    call("set", "flagged", "x", 0, flags)
    call("get", "flagged")
    call("get_stale", "flagged")
  end
  call("delete", "flagged")
  call("delete", "flagged")

  -- Counting.
  call("incr", "count", 1)
  call("incr", "count", 1, 10)
  call("incr", "count", 1, 10)
  call("incr", "count", "2")
  call("incr", "count", 0.5)
  call("incr", "count", -13.5)
  call("incr", "fresh", 1, "4")
  call("incr", "fresh", 1, false)
  call("incr", "timed", 1, 0, 10)
  call("incr", "timed", 1, 0, "10")
  call("incr", "timed", 1, 0, -1)
  call("incr", "timed", 1, nil, 1)
  call("incr", "timed", 1, {})
  call("incr", "timed", 1, 0, {})
  raises("incr", "timed", "x")
  raises("incr", "timed", nil)
  call("incr", nil, 1)
  call("incr", "", 1)
  call("set", "text", "5")
  call("incr", "text", 1)
  call("set", "flag", true)
  call("incr", "flag", 1)
  call("set", "large", 1e308)
  call("incr", "large", 1e308)

  -- Times.
  call("set", "lasting", 1)
  call("ttl", "lasting")
  call("expire", "lasting", 100)
  lines[#lines + 1] = tostring(dict:ttl("lasting") > 99 and dict:ttl("lasting") <= 100)
  call("expire", "lasting", 0)
  call("ttl", "lasting")
  call("expire", "absent", 1)
  call("expire", "", 1)
  call("set", "huge", 1, 2 ^ 31)
  lines[#lines + 1] = tostring(dict:ttl("huge") > 2 ^ 31 - 1)
  call("set", "brief", "x", 0.01, 3)
  call("set", "brief_list", nil)
  call("rpush", "brief_list", 1)
  call("expire", "brief_list", 0.01)
  ngx.sleep(0.05)
  call("get", "brief")
  call("set", "brief", "x", 0.01, 3)
  ngx.sleep(0.05)
  call("get_stale", "brief")
  call("add", "brief", "again")
  call("llen", "brief_list")
  call("rpush", "brief_list", 2)
  call("ttl", "brief_list")

  -- Lists.
  call("lpush", "list", "b")
  call("lpush", "list", "a")
  call("rpush", "list", 3)
  call("rpush", "list", 4.5)
  call("llen", "list")
  call("get", "list")
  call("get_stale", "list")
  call("incr", "list", 1)
  call("add", "list", 1)
  call("ttl", "list")
  call("lpop", "list")
  call("rpop", "list")
  call("rpop", "list")
  call("lpop", "list")
  call("lpop", "list")
  call("llen", "list")
  call("get", "list")
  call("lpush", "list", true)
  call("lpush", "list", nil)
  call("lpush", "list", {})
  call("lpush", 56, "x")
  call("rpop", "56")
  call("set", "scalar", "abc")
  call("lpush", "scalar", "x")
  call("rpush", "scalar", "x")
  call("lpop", "scalar")
  call("rpop", "scalar")
  call("llen", "scalar")
  call("rpush", "list", "x")
  call("set", "list", "scalar")
  call("get", "list")
  call("delete", "list")
  call("rpush", "list", "x")
  call("replace", "list", "scalar")
  call("get", "list")
  raises("lpush", true, "x")
  raises("lpush", "list", "x", "more")
  raises("llen", {})

  -- The whole.
  call("flush_all")
  lines[#lines + 1] = #dict:get_keys()
  call("set", "a", 1)
  call("set", "b", 2)
  call("set", "c", 3)
  call("get", "a")
  for _, most in ipairs({ 0, 2, -1, 0.0004, 1.9, -0.5 }) do
    lines[#lines + 1] = table.concat(dict:get_keys(most), " ")
  end
  call("flush_all")
  call("get_stale", "a")
  call("get", "a")
  raises("flush_expired", {})
  raises("get_keys", {})
  for _, method in ipairs({ "get", "set", "incr", "lpush", "ttl", "flush_all", "capacity" }) do
    lines[#lines + 1] = method .. " of none " .. results(pcall(dict[method], nil, "key", 1))
  end
  return table.concat(lines, "\n") .. "\n"
end
