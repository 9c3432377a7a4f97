-- A thousand calls whose results are compared with those of nginx: the same file runs in both and
-- writes a line for each call. Written for LuaJIT and for us.
return function(dict, sleep, write)
  local function show(v)
    if type(v) == "number" then
      if v ~= v then
        return "nan"
      end
      return ("%.14g"):format(v)
    end
    if type(v) == "string" then
      if #v > 60 then
        return "string of " .. #v
      end
      return ("%q"):format(v)
    end
    if type(v) == "table" then
      local t = {}
      for i = 1, #v do
        t[i] = show(v[i])
      end
      return "{" .. table.concat(t, ",") .. "}"
    end
    return type(v) == "userdata" and "userdata" or tostring(v)
  end
  local case = 0
  local function pack(...)
    return { n = select("#", ...), ... }
  end
  local function line(name, r)
    local t = {}
    if r[1] == false and r.raised then
      t[1] = "raises " .. tostring(r[2]):gsub("^.-:%d+: ", "")
    else
      for i = 2, r.n do
        t[#t + 1] = show(r[i])
      end
    end
    write(case .. " " .. name .. " -> " .. table.concat(t, ", "))
  end
  local function c(name, ...)
    local args = pack(...)
    local r = pack(pcall(dict[name], dict, ...))
    r.raised = not r[1]
    local t = {}
    for i = 1, args.n do
      t[i] = show(args[i])
    end
    line(name .. "(" .. table.concat(t, ", ") .. ")", r)
  end
  local function new(name)
    dict:flush_all()
    dict:flush_expired()
    case = name
  end
  local long, fits = ("k"):rep(65536), ("k"):rep(65535)
  local keyed = {
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
  for _, m in ipairs(keyed) do
    new("keys-" .. m)
    c(m, nil, 1)
    c(m, "", 1)
    c(m, long, 1)
    c(m)
    c(m, 56, 1)
    c(m, "56", 1)
    c(m, 1.5, 1)
    c(m, true, 1)
    c(m, 7, 1, -1)
    c(m, nil, 1, -1)
    c(m, "k", 1, -1)
    c(m, "k", 1, "x")
    c(m, "k", 1, true)
    c(m, "k", 1, {})
    c(m, "k", 1, 0, true)
    c(m, "k", 1, 0, 7.9)
    c("get", "k")
    c(m, "k", 1, 0, -1)
    c("get", "k")
    c(m, "k", 1, 0, false)
    c("get", "k")
    c(m, "k", 1, false)
    c(m, "k", 1, nil, 3)
    c("get", "k")
    c(m, "k", nil)
    c(m, "k", 1)
    local r = pack(pcall(dict[m], {}, "k", 1))
    r.raised = not r[1]
    line("on {}", r)
    r = pack(pcall(dict[m], nil, "k", 1))
    r.raised = not r[1]
    line("on nil", r)
    r = pack(pcall(dict[m], "x", nil, 1))
    r.raised = not r[1]
    line("on string", r)
    r = pack(pcall(dict[m]))
    r.raised = not r[1]
    line("on nothing", r)
  end
  for _, m in ipairs { "lpush", "rpush", "lpop", "rpop", "llen" } do
    new("lists-" .. m)
    c(m, nil, 1)
    c(m, nil)
    c(m, "")
    c(m, "", 1)
    c(m, long, 1)
    c(m, long)
    c(m, "l")
    c(m, "l", 1)
    c(m, "l", 1, 2)
    c(m)
    c(m, true)
    c(m, true, 1)
    c(m, {}, 1)
    c(m, 5)
    c(m, 5, "five")
    c(m, "5")
    c(m, "l", nil)
    c(m, "l", true)
    c(m, "l", {})
    c(m, "l", 1.5)
    c(m, "l", "")
    c("llen", "l")
    local r = pack(pcall(dict[m], {}, "k", 1))
    r.raised = not r[1]
    line("on {}", r)
    r = pack(pcall(dict[m], {}, "k"))
    r.raised = not r[1]
    line("on {}", r)
    r = pack(pcall(dict[m], 5, "k", 1))
    r.raised = not r[1]
    line("on 5", r)
    r = pack(pcall(dict[m], 5, "k"))
    r.raised = not r[1]
    line("on 5", r)
    r = pack(pcall(dict[m]))
    r.raised = not r[1]
    line("on nothing", r)
    c("set", "s", 1)
    c(m, "s", 1)
    c(m, "s")
    c("set", "e", 1, 0.002)
    sleep(0.01)
    c(m, "e", 1)
    c(m, "e")
    c("get", "e")
    c("rpush", "x", 1)
    c("expire", "x", 0.002)
    sleep(0.01)
    c("get_stale", "x")
    c(m, "x", 1)
    c(m, "x")
    c("llen", "x")
  end
  for _, m in ipairs { "get_keys", "flush_expired", "flush_all" } do
    new("whole-" .. m)
    c("set", "a", 1)
    c("set", "b", 1)
    c("set", "d", 1)
    c(m)
    c(m, 0)
    c(m, -1)
    c(m, 1)
    c(m, 1.7)
    c(m, "2")
    c(m, 1, 2)
    c(m, "x")
    c(m, {})
    c(m, true)
    c(m, nil)
    local r = pack(pcall(dict[m], {}))
    r.raised = not r[1]
    line("on {}", r)
    r = pack(pcall(dict[m], 5))
    r.raised = not r[1]
    line("on 5", r)
    r = pack(pcall(dict[m]))
    r.raised = not r[1]
    line("on nothing", r)
    c("get", "a")
    c("get_stale", "a")
    c("get_keys")
  end
  new("values")
  for i, v in ipairs {
    "",
    "a\0b",
    0,
    -1,
    1.5,
    1e300,
    1 / 0,
    -1 / 0,
    true,
    false,
    "123",
    123,
    ("x"):rep(5000),
    2 ^ 53,
  } do
    c("set", "v", v, 0, i)
    c("get", "v")
    c("get_stale", "v")
    c("add", "v", 1)
    c("replace", "v", v)
    c("incr", "v", 1)
    c("get", "v")
    c("ttl", "v")
    c("llen", "v")
    c("delete", "v")
    c("get", "v")
  end
  c("set", "v", 0 / 0)
  c("get", "v")
  c("set", "v", -0.0)
  c("get", "v")
  c("set", fits, 1)
  c("get", fits)
  c("delete", fits)
  c("set", "v", nil)
  c("set", "v")
  c("safe_set", "v", nil)
  c("add", "v", nil)
  c("replace", "v", nil)
  c("safe_add", "v")
  new("incr")
  c("incr", "n", 1)
  c("incr", "n", 1, 10)
  c("incr", "n", 1, 10)
  c("incr", "n", "2")
  c("incr", "n", " 2 ")
  c("incr", "n", "0x10")
  c("incr", "n", 0.5)
  c("incr", "n", -1)
  c("get", "n")
  c("incr", "n", "x")
  c("incr", "n", nil)
  c("incr", "n", {})
  c("incr", "n", true)
  c("incr", "n", 1, "x")
  c("incr", "n", 1, true)
  c("incr", "n", 1, false)
  c("incr", "n", 1, {})
  c("incr", "m", 1, "5")
  c("incr", "o", 1, 0, "x")
  c("incr", "o", 1, 0, -1)
  c("incr", "o", 1, 0, false)
  c("incr", "o", 1, 0, {})
  c("incr", "o", 1, nil, 1)
  c("incr", "o", 1, false, 1)
  c("incr", "o", 1, nil, -1)
  c("incr", "o", 1, nil, "x")
  c("incr", "o", 1, 0, 0.2)
  c("incr", "o", 1, 0, 100)
  sleep(0.3)
  c("get", "o")
  c("incr", "o", 1, 5)
  c("ttl", "o")
  c("incr", "p", 1, 0, "0.01")
  sleep(0.03)
  c("get", "p")
  c("set", "q", 5, 0, 9)
  c("incr", "q", 1)
  c("get", "q")
  c("incr", "q", 1, 0, 5)
  c("ttl", "q")
  c("set", "t", "5")
  c("incr", "t", 1)
  c("incr", "t", 1, 0)
  c("set", "b", true)
  c("incr", "b", 1, 0)
  c("rpush", "l", 1)
  c("incr", "l", 1)
  c("incr", "l", 1, 0)
  c("incr", "", "x")
  c("incr", nil, nil)
  new("clash")
  c("rpush", "l", 1)
  c("get", "l")
  c("get_stale", "l")
  c("incr", "l", 1)
  c("add", "l", 1)
  c("safe_add", "l", 1)
  c("ttl", "l")
  c("expire", "l", 100)
  c("replace", "l", 5)
  c("get", "l")
  c("delete", "l")
  c("rpush", "l", 1)
  c("set", "l", 5)
  c("get", "l")
  c("set", "l", nil)
  c("rpush", "l", 1)
  c("set", "l", nil)
  c("llen", "l")
  c("rpush", "l", "abcd")
  c("set", "l", "x")
  c("get", "l")
  new("expiry-alone")
  c("set", "a", 1, 0.005, 3)
  sleep(0.02)
  c("get_stale", "a")
  c("add", "a", 2)
  c("get", "a")
  new("expiry-get-then-stale")
  c("set", "a", 1, 0.005, 3)
  sleep(0.02)
  c("get", "a")
  c("get_stale", "a")
  c("expire", "a", 10)
  new("expiry-replace")
  c("set", "a", 1, 0.005, 3)
  sleep(0.02)
  c("replace", "a", 2)
  c("get_stale", "a")
  new("expiry-incr")
  c("set", "a", 1, 0.005, 3)
  sleep(0.02)
  c("incr", "a", 2)
  c("incr", "a", 2, 0)
  c("get", "a")
  c("ttl", "a")
  new("expiry-cold-live")
  c("set", "live", 1)
  c("set", "a", 1, 0.005)
  sleep(0.02)
  c("get", "a")
  c("get_stale", "a")
  c("add", "a", 5)
  c("get", "a")
  new("expiry-delete")
  c("set", "a", 1, 0.005)
  sleep(0.02)
  c("delete", "a")
  c("get_stale", "a")
  new("expiry-keys")
  c("set", "a", 1, 0.2)
  c("set", "b", 1)
  c("rpush", "l", 1)
  sleep(0.3)
  c("get_keys")
  c("get_keys", 0)
  c("flush_expired")
  c("get_stale", "a")
  new("expiry-many")
  for i = 1, 6 do
    c("set", "e" .. i, i, 0.2)
  end
  c("set", "live", 1)
  sleep(0.3)
  c("flush_expired", 2)
  c("flush_expired", 1)
  c("flush_expired", 0)
  c("flush_expired")
  c("get_keys")
  new("expiry-many-touch")
  for i = 1, 6 do
    c("set", "e" .. i, i, 0.2)
  end
  c("set", "live", 1)
  sleep(0.3)
  c("get", "live")
  c("flush_expired")
  c("get_keys")
  new("flush")
  for i = 1, 6 do
    c("set", "e" .. i, i, 0, i)
  end
  c("flush_all")
  c("get_stale", "e1")
  c("get_stale", "e3")
  c("get_stale", "e4")
  c("get_stale", "e6")
  c("get", "e6")
  c("get_keys")
  c("flush_expired")
  c("get_stale", "e6")
  c("add", "e1", 1)
  new("flush-one")
  c("set", "a", 1)
  c("flush_all")
  c("get_stale", "a")
  c("get", "a")
  c("ttl", "a")
  new("flush-list")
  for i = 1, 5 do
    c("rpush", "l" .. i, i)
  end
  c("flush_all")
  c("llen", "l5")
  c("get_stale", "l5")
  c("rpush", "l5", 9)
  c("llen", "l5")
  new("ttl")
  c("set", "a", 1, 10)
  c("expire", "a", 0)
  c("ttl", "a")
  c("expire", "a")
  c("expire", "a", false)
  c("expire", "a", "5")
  c("expire", "a", {})
  c("expire", "a", "x")
  c("expire", "a", true)
  c("expire", "none", 1)
  c("ttl", "none")
  c("expire", "")
  c("expire", nil, 1)
  c("set", "a", 1, 0.005)
  sleep(0.02)
  local t = dict:ttl "a"
  write("expired ttl negative " .. tostring(t and t < 0))
  c("set", "b", 1, 5, 7)
  c("expire", "b", 0)
  c("get", "b")
  new("lru")
  for i = 1, 6 do
    dict:set("k" .. i, i)
  end
  c("get_keys")
  c("get", "k1")
  c("get_keys")
  c("get_stale", "k2")
  c("get_keys")
  c("ttl", "k2")
  c("expire", "k2", 0)
  c("get_keys")
  c("add", "k2", 1)
  c("get_keys")
  c("replace", "k3", 1)
  c("get_keys")
  c("incr", "k4", 1)
  c("get_keys")
  c("replace", "none", 1)
  c("get_keys")
  c("rpush", "l", 1)
  c("get", "k5")
  c("llen", "l")
  c("get_keys")
  c("get", "k6")
  c("lpop", "l")
  c("get_keys")
  c("llen", "k1")
  c("get_keys")
  c("lpush", "k2", 1)
  c("get_keys")
  c("lpop", "k3")
  c("get_keys")
  c("incr", "k1", "x")
  c("get_keys")
  c("get_keys", 2)
  c("rpush", "m", 1)
  c("rpush", "m", 2)
  c("set", "z", 1)
  c("get", "m")
  c("get_keys")
  c("incr", "m", 1)
  c("get_keys")
  c("safe_add", "k5", 1)
  c("get_keys")
  c("safe_set", "k6", 1)
  c("get_keys")
  new("lists")
  c("lpush", "l", 1)
  c("lpush", "l", 2)
  c("rpush", "l", "3")
  c("rpush", "l", 4.5)
  c("llen", "l")
  c("lpop", "l")
  c("rpop", "l")
  c("lpop", "l")
  c("lpop", "l")
  c("lpop", "l")
  c("llen", "l")
  c("get", "l")
  c("ttl", "l")
  c("add", "l", 1)
  new("list-ttl")
  c("rpush", "l", 1)
  c("expire", "l", 0.02)
  c("rpush", "l", 2)
  sleep(0.05)
  c("llen", "l")
  c("lpop", "l")
  c("rpush", "l", 3)
  c("llen", "l")
  c("ttl", "l")
  new("full")
  local n = 0
  while dict:safe_set("f" .. n, ("x"):rep(100)) do
    n = n + 1
  end
  c("safe_set", "new", ("x"):rep(100))
  c("safe_add", "new", ("x"):rep(100))
  c("get", "f0")
  c("set", "new", ("x"):rep(100))
  c("get", "f0")
  c("get", "f1")
  c("get", "f2")
  c("add", "new2", ("x"):rep(100))
  c("replace", "new2", ("x"):rep(100))
  c("incr", "num", 1, 0)
  c("get", "new")
  new("odd keys")
  for _, key in ipairs { 0.1, -0.5, 1 / 3, 1e100, 1e-5, 12345.678, 100000.5, 0 / 0, 0.0 * -1 } do
    c("set", key, 1)
    c("get_keys")
    c("delete", key)
  end
  new("odd flags")
  for _, flags in ipairs { 3e9, 2 ^ 31, 2 ^ 32, -1, -2 ^ 31, -2 ^ 40, 1e300, 0 / 0, 1.9, -1.9 } do
    c("set", "x", 1, 0, flags)
    c("get", "x")
  end
  new("odd ends")
  for _, seconds in ipairs { math.huge, 1e300, 1e17 } do
    c("set", "x", 1, seconds)
    c("get", "x")
    c("ttl", "x")
    c("expire", "x", seconds)
    c("ttl", "x")
  end
  new("order of checks")
  c("expire", "", -1)
  c("expire", long, -1)
  c("expire", nil, {})
  c("lpush", io.stdout, 1)
  c("get_keys", io.stdout)
  new("an end is no use")
  n = 0
  while dict:safe_set("f" .. n, ("x"):rep(100)) do
    n = n + 1
  end
  c("expire", "f0", 100)
  c("expire", "f1", 100)
  c("expire", "f1", 200)
  c("set", "new", ("x"):rep(100))
  c("get", "f0")
  c("set", "new2", ("x"):rep(100))
  c("get", "f1")
  c("get", "f2")
end
