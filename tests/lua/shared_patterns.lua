-- Dictionaries as libraries for nginx use them (locks, caches of several levels, limits of
-- traffic), and which entries are given back when: compared with nginx as shared_calls.lua is.
local unpack = table.unpack or rawget(_G, "unpack")

return function(dict, sleep, write, recording)
  local record = recording(dict, write)
  local function c(...)
    return record:call(...)
  end
  local function new(case)
    record:new(case)
  end

  -- A lock: whoever adds the key has it, until he deletes it or its time is over.
  local function lock(key, exptime, tries)
    for try = 1, tries do
      local ok, err = c("add", key, true, exptime)
      if ok then
        return 0
      elseif err ~= "exists" then
        return nil, err
      end
      if try < tries then
        sleep(0.001)
      end
    end
    return nil, "timeout"
  end
  new("lock")
  lock("lock:a", 30, 1)
  lock("lock:a", 30, 3)
  lock("lock:b", 30, 1)
  c("replace", "lock:a", true, 60)
  c("delete", "lock:a")
  c("replace", "lock:a", true, 60)
  lock("lock:a", 0.01, 1)
  sleep(0.05)
  c("replace", "lock:a", true, 60)
  lock("lock:a", 0.01, 1)
  c("delete", "lock:b")
  c("delete", "lock:b")

  -- A cache: what is over is read with get_stale and stored again with a flag, once the lock is
  -- had.
  local function fetch(key, value, ttl)
    local found, flags, stale = c("get_stale", key)
    if found ~= nil and not stale then
      return found
    end
    if not lock("lock:" .. key, 30, 1) then
      return found
    end
    local again = c("get_stale", key)
    if value == nil and again ~= nil then
      c("set", key, again, ttl, 1)
    elseif value ~= nil then
      for _ = 1, 3 do
        local ok, err = c("set", key, value, ttl, flags or 0)
        if ok or err ~= "no memory" then
          break
        end
      end
    end
    c("delete", "lock:" .. key)
    return value
  end
  new("cache")
  fetch("user", "1;value", 0.02)
  fetch("user", "1;value", 0.02)
  fetch("none", "0;nil", 0.02)
  sleep(0.05)
  fetch("user", nil, 0.02)
  fetch("user", nil, 0.02)
  sleep(0.05)
  fetch("user", "1;new", 0)
  fetch("user", "1;new", 0)
  c("ttl", "user")
  c("get_stale", "none")
  c("safe_set", "user", "1;newer", 10, 0)
  c("get_stale", "user")
  c("delete", "user")
  c("get_stale", "user")
  c("set", "user", "1;last")
  c("flush_all")
  c("flush_expired")
  c("get_stale", "user")

  -- Events between workers: an index, and an entry for each event that goes after a while.
  new("events")
  c("add", "index", 0)
  c("add", "index", 0)
  for n = 1, 3 do
    local index = c("incr", "index", 1)
    c("safe_set", tostring(index), "event " .. n, 0.02)
  end
  c("get", "index")
  c("get", "2")
  sleep(0.05)
  c("get", "3")
  c("incr", "index", 1)
  c("get_keys", 0)

  -- A count in a window: begins with the limit and goes down.
  local function count(key, limit, window, commit)
    local left
    if commit then
      left = c("incr", key, -1, limit, window)
    else
      left = (c("get", key) or limit) - 1
    end
    write("left " .. left)
  end
  new("count")
  for _ = 1, 4 do
    count("client", 3, 100, true)
  end
  count("client", 3, 100, false)
  count("other", 3, 100, false)
  c("incr", "client", 1)
  c("incr", "other", 1)
  count("brief", 3, 0.02, true)
  sleep(0.05)
  count("brief", 3, 0.02, false)
  count("brief", 3, 0.02, true)
  -- The same without a time in the call.
  for _ = 1, 2 do
    local _, err = c("incr", "plain", -1)
    if err == "not found" then
      local ok, why = c("add", "plain", 2, 100)
      write(tostring(ok) .. tostring(why))
    end
  end

  -- Connections: one more, one less.
  new("connections")
  for _ = 1, 3 do
    if c("incr", "host", 1, 0) > 2 then
      c("incr", "host", -1)
    end
  end
  c("incr", "host", -1)
  c("get", "host")
  c("delete", "host")
  c("incr", "host", -1)

  -- A rate: a record of 16 bytes.
  new("rate")
  for n = 1, 3 do
    local found = c("get", "rate")
    write(type(found) == "string" and #found or "none")
    c("set", "rate", ("\0\1\254" .. n):rep(4))
  end
  c("set", "rate", "abused")
  c("get", "rate")

  -- What has expired goes with the next operation on a key once nothing that lives is older.
  for _, used in ipairs { "none", "first", "second", "third" } do
    new("behind live entries, by use of " .. used)
    for _, key in ipairs { "first", "second" } do
      c("set", key, 1)
    end
    c("set", "over", 1, 0.005)
    c("set", "over too", 1, 0.005)
    c("set", "third", 1)
    sleep(0.02)
    for _ = 1, 2 do
      c("get", used)
      c("get", "first")
    end
    c("get", "second")
    c("get", "none")
    c("get_stale", "over")
    c("get_stale", "over too")
  end
  new("behind one that is used")
  c("set", "live", 1)
  c("set", "over", 1, 0.005)
  sleep(0.02)
  c("get", "none")
  c("get_stale", "over")
  c("set", "later", 1)
  c("get", "live")
  c("get", "later")
  c("get_stale", "over")
  local finders = {
    get = {},
    get_stale = {},
    llen = {},
    lpop = {},
    incr = { 1 },
    replace = { 1 },
  }
  for _, m in ipairs { "get", "get_stale", "llen", "lpop", "incr", "replace" } do
    new("found when it is over by " .. m)
    c("set", "live", 1)
    c("set", "over", 1, 0.005)
    c("set", "later", 1)
    sleep(0.02)
    c(m, "over", unpack(finders[m]))
    c("get", "live")
    c("get", "none")
    c("flush_expired")
  end
  local let_go = {
    delete = { "live" },
    set = { "live", 2 },
    replace = { "live", 2 },
    add = { "live", 2 },
    incr = { "live", 2 },
    get = { "live" },
    get_stale = { "live" },
    llen = { "live" },
    expire = { "live", 0 },
    get_keys = {},
  }
  local names = { "delete", "set", "replace", "add", "incr", "get", "get_stale", "llen" }
  names[#names + 1] = "expire"
  names[#names + 1] = "get_keys"
  for _, m in ipairs(names) do
    new("let go by " .. m)
    c("set", "live", 1)
    c("set", "over", 1, 0.005)
    sleep(0.02)
    c("get", "none")
    c(m, unpack(let_go[m]))
    c("get", "none")
    c("flush_expired")
    c("get_keys")
  end
  new("behind one that ends when no clock does")
  c("set", "live", 1, 2 ^ 53)
  c("set", "over", 1, 0.005)
  sleep(0.02)
  c("get", "live")
  c("get", "none")
  c("get_stale", "over")
  new("a flush gives back in order of use")
  for _, key in ipairs { "a", "b", "c", "d", "e", "f", "g" } do
    c("set", key, 1)
  end
  c("get", "a")
  c("flush_all")
  c("flush_expired", 2)
  for _, key in ipairs { "a", "b", "c", "d", "e", "f", "g" } do
    c("get_stale", key)
  end
  c("flush_expired", 1)
  c("flush_expired", 2 ^ 32 + 1)
  c("flush_expired")
  new("flags are looked at last")
  for _, m in ipairs { "set", "safe_set", "add", "safe_add", "replace" } do
    for _, flags in ipairs { "x", "5", {} } do
      c(m, "k", nil, 0, flags)
      c(m, "k", 1, 0, flags)
      c(m, "k", print, 0, flags)
      c(m, "", 1, 0, flags)
      c(m, "k", 1, -1, flags)
    end
  end
  c("incr", "k", 1, "x", -1)
  c("incr", "k", "x", "x", -1)
  c("incr", "k", 1, nil, "x")
  c("get_keys", 2 ^ 32 + 1)
end
