-- shared: the half of the module that waits or calls back. Gets the module, the methods of a
-- dictionary, and natives of its own; adds to the first two.
--
-- Who waits looks at the dictionary and dozes until a thread of the host, which listens to the
-- dictionary, finds a reason to look again. Nobody polls, and the worker goes on with others.

local _, Dict, native = ...
local doze, scan, try_lock = native.doze, native.scan, native.try_lock
local cas_keeping, add_to_counter = native.cas_keeping, native.add_to_counter
local read_counter, reset_counter = native.read_counter, native.reset_counter
local get_versioned, version_of, cas = Dict.get_versioned, Dict.version, Dict.cas

-- Attempts of `update` before it gives up.
local UPDATES_MAX = 1000
-- Keys that one step of an iterator asks for.
local STEP_KEYS = 256

-- Calls `look` until its first result is not nil, or time is over: then nil and "timeout". Nil
-- and a reason from `look` end the wait, too. In between it sleeps until the wish may have come
-- true: "change" (of the version), "element" or "unlock".
local function await(timeout, wish, version, look, dict, key, ...)
  local value, reason = look(dict, key, ...)
  if value ~= nil or reason then
    return value, reason
  elseif timeout == 0 then
    return nil, "timeout"
  end
  local now = require("hive").now
  local deadline = timeout and now() + timeout
  local is_timely
  repeat
    is_timely = doze(dict, key, wish, version, deadline and deadline - now())
    value, reason = look(dict, key, ...)
    if value ~= nil or reason then
      return value, reason
    end
  until not is_timely
  return nil, "timeout"
end

local function check_timeout(timeout)
  local is_span = type(timeout) == "number" and timeout >= 0
  if timeout ~= nil and not is_span then
    error("timeout: expected seconds, got " .. tostring(timeout), 3)
  end
end

local function has_changed(dict, key, version)
  local now, reason = version_of(dict, key)
  if reason or now == version then
    return nil, reason
  end
  return { now }
end

-- Waits until the key has another version than this one (nil: no live entry). True and the version
-- it has then, or false and "timeout".
function Dict:wait(key, version, timeout)
  check_timeout(timeout)
  local changed, reason = await(timeout, "change", version, has_changed, self, key, version)
  if changed then
    return true, changed[1]
  end
  return false, reason
end

-- Takes an element, waiting for one: nil and "timeout" if none came.
function Dict:blpop(key, timeout)
  check_timeout(timeout)
  return await(timeout, "element", nil, Dict.lpop, self, key)
end

function Dict:brpop(key, timeout)
  check_timeout(timeout)
  return await(timeout, "element", nil, Dict.rpop, self, key)
end

-- A lock that ends with its owner, its `unlock`, or its time to live. Nil and "timeout" if somebody
-- else holds it all the time. Options: timeout (5 seconds), ttl (for ever).
function Dict:lock(key, options)
  local timeout, ttl = 5, nil
  for name, value in pairs(options or {}) do
    if name == "timeout" then
      check_timeout(value)
      timeout = value
    elseif name == "ttl" then
      ttl = value
    else
      error(("unknown option '%s' (expected timeout, ttl)"):format(tostring(name)), 2)
    end
  end
  return await(timeout, "unlock", nil, try_lock, self, key, ttl)
end

-- Stores what `f` makes of the value, unless another writer is faster: then calls it again. `f` may
-- be called often; when it returns nil, the entry stays. Without an exptime the entry keeps the one
-- that it has. Returns the value that is there now, or nil and a reason.
function Dict:update(key, f, exptime, flags)
  for _ = 1, UPDATES_MAX do
    local value, version, old_flags = get_versioned(self, key)
    if value == nil and version then
      return nil, version
    end
    local new = f(value)
    if new == nil then
      return value
    end
    local store = exptime == nil and cas_keeping or cas
    local stored, reason = store(self, key, version, new, exptime, flags or old_flags)
    if stored then
      return new
    elseif reason ~= "changed" and reason ~= "not found" then
      return nil, reason
    end
  end
  return nil, "changed"
end

local function prefix_of(options)
  local prefix
  for name, value in pairs(options or {}) do
    if name ~= "prefix" or type(value) ~= "string" then
      error(("unknown option '%s' (expected prefix, a string)"):format(tostring(name)), 3)
    end
    prefix = value
  end
  return prefix
end

-- Iterates over the keys, a few at a time and without stopping writers: an entry that is there
-- all the time is met once. Option: prefix.
function Dict:keys(options)
  local prefix = prefix_of(options)
  local keys, index, cursor = {}, 0, 0
  return function()
    index = index + 1
    while not keys[index] do
      if not cursor then
        return nil
      end
      keys, cursor = scan(self, cursor, STEP_KEYS, prefix)
      index = 1
    end
    return keys[index]
  end
end

-- The same with values and flags; of a list, a table of its elements and "list".
function Dict:items(options)
  local next_key = self.keys(self, { prefix = prefix_of(options) })
  return function()
    for key in next_key do
      local value, flags = self:get(key)
      if flags == "value is a list" then
        value, flags = self:lrange(key), "list"
      end
      if value ~= nil then
        return key, value, flags
      end
    end
  end
end

local measure, stats = native.measure, Dict.stats

-- Figures. Option: deep, to walk through all entries and tell what the bytes hold, too: the
-- coroutine waits while a thread does that.
function Dict:stats(options)
  local figures = stats(self)
  for name in pairs(options or {}) do
    if name ~= "deep" then
      error(("unknown option '%s' (expected deep)"):format(tostring(name)), 2)
    end
  end
  if options and options.deep then
    for name, figure in pairs(measure(self)) do
      figures[name] = figure
    end
  end
  return figures
end

-- Counters for many writers: each thread adds to a stripe of its own, which is an entry of its own.
local Counter = {}
Counter.__index = Counter

local function check_counter(counter, value, reason)
  if value == nil then
    error(("counter %s: %s"):format(counter.name, reason), 3)
  end
  return value
end

-- Adds to the counter; nothing is returned, because the sum takes a look at all stripes.
function Counter:add(n)
  check_counter(self, add_to_counter(self.dict, self.name, n or 1))
end

-- The sum of all stripes: exact once nobody adds any more.
function Counter:read()
  return (check_counter(self, read_counter(self.dict, self.name)))
end

-- Begins anew at 0.
function Counter:reset()
  check_counter(self, reset_counter(self.dict, self.name))
end

-- A striped counter.
function Dict:counter(name)
  return setmetatable({ dict = self, name = tostring(name) }, Counter)
end
