-- shared: the half of the module that waits or calls back. Gets the module, the methods of a
-- dictionary, and natives of its own; adds to the first two.
--
-- Who waits looks at the dictionary and dozes until a thread of the host, which listens to the
-- dictionary, finds a reason to look again. Nobody polls, and the worker goes on with others.

local _, Dict, native = ...
local doze, scan, try_lock = native.doze, native.scan, native.try_lock
local cas_keeping, add_to_counter = native.cas_keeping, native.add_to_counter
local read_counter, reset_counter = native.read_counter, native.reset_counter
local invalid_option, is_dict = native.invalid_option, native.is_dict
local get, lrange, measure, stats = Dict.get, Dict.lrange, native.measure, Dict.stats
local get_versioned, version_of, cas = Dict.get_versioned, Dict.version, Dict.cas

-- Attempts of `update` before it gives up.
local UPDATES_MAX = 1000
-- Keys that one step of an iterator asks for.
local STEP_KEYS = 256

-- The checks below raise at level 3: they are called by a method, and what is wrong is the line
-- that called the method.

local function check_self(dict)
  if not is_dict(dict) then
    error('bad "zone" argument', 3)
  end
end

-- The level is that of `error` where this is called.
local function bad_argument(level, position, method, expected, got)
  local text = "bad argument #%d to '%s' (%s, got %s)"
  error(text:format(position, method, expected, got), level + 1)
end

local function is_span(seconds)
  return type(seconds) == "number" and seconds >= 0
end

local function check_timeout(timeout, position, method)
  if timeout ~= nil and not is_span(timeout) then
    bad_argument(3, position, method, "expected seconds from 0 up", tostring(timeout))
  end
end

-- Keys of lists: what is neither of these, the native refuses with words of its own.
local function check_list_key(key, method)
  local kind = type(key)
  if key ~= nil and kind ~= "string" and kind ~= "number" then
    bad_argument(3, 1, method, "string expected", kind)
  end
end

local function is_text(value)
  return type(value) == "string"
end

local function is_flag(value)
  return type(value) == "boolean"
end

local LOCK_OPTIONS = {
  names = "timeout, ttl",
  fits = { timeout = is_span, ttl = is_span },
  expected = { timeout = "seconds from 0 up", ttl = "seconds from 0 (for ever) up" },
}
local WALK_OPTIONS = {
  names = "prefix",
  fits = { prefix = is_text },
  expected = { prefix = "a string" },
}
local STATS_OPTIONS = {
  names = "deep",
  fits = { deep = is_flag },
  expected = { deep = "true or false" },
}
local NONE = {}

local function quoted(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

-- The options, once they are known and fit.
local function checked(options, position, method, known)
  if options == nil then
    return NONE
  elseif type(options) ~= "table" then
    bad_argument(3, position, method, "table expected", type(options))
  end
  for name, value in pairs(options) do
    local fits, text, expected = known.fits[name], nil, known.expected[name]
    if not fits then
      expected = known.names
      text = ("unknown option '%s' (expected %s)"):format(tostring(name), expected)
    elseif not fits(value) then
      text = ("option '%s': expected %s, got %s"):format(name, expected, quoted(value))
    end
    if text then
      text = ("bad argument #%d to '%s' (%s)"):format(position, method, text)
      error(invalid_option(3, tostring(name), expected, value, text), 0)
    end
  end
  return options
end

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
  check_self(self)
  if version ~= nil and not math.tointeger(version) then
    bad_argument(2, 2, "wait", "version expected", tostring(version))
  end
  check_timeout(timeout, 3, "wait")
  local changed, reason = await(timeout, "change", version, has_changed, self, key, version)
  if changed then
    return true, changed[1]
  end
  return false, reason
end

-- Takes an element, waiting for one: nil and "timeout" if none came.
function Dict:blpop(key, timeout)
  check_self(self)
  check_list_key(key, "blpop")
  check_timeout(timeout, 2, "blpop")
  return await(timeout, "element", nil, Dict.lpop, self, key)
end

function Dict:brpop(key, timeout)
  check_self(self)
  check_list_key(key, "brpop")
  check_timeout(timeout, 2, "brpop")
  return await(timeout, "element", nil, Dict.rpop, self, key)
end

-- A lock that ends with its owner, its `unlock`, or its time to live. Nil and "timeout" if somebody
-- else holds it all the time. Options: timeout (5 seconds), ttl (for ever).
function Dict:lock(key, options)
  check_self(self)
  options = checked(options, 2, "lock", LOCK_OPTIONS)
  local timeout = options.timeout or 5
  return await(timeout, "unlock", nil, try_lock, self, key, options.ttl)
end

-- Stores what `f` makes of the value, unless another writer is faster: then calls it again. `f` may
-- be called often; when it returns nil, the entry stays. Without an exptime the entry keeps the one
-- that it has. Returns the value that is there now, or nil and a reason.
function Dict:update(key, f, exptime, flags)
  check_self(self)
  local kind = type(f)
  if kind ~= "function" and kind ~= "table" and kind ~= "userdata" then
    bad_argument(2, 2, "update", "function expected", kind)
  elseif flags and flags ~= true and type(flags) ~= "number" then
    bad_argument(2, 4, "update", "number expected", type(flags))
  elseif exptime and not is_span(exptime) then
    error('bad "exptime" argument', 2)
  end
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

local function each_key(dict, prefix)
  local keys, index, cursor = {}, 0, 0
  return function()
    index = index + 1
    while not keys[index] do
      if not cursor then
        return nil
      end
      keys, cursor = scan(dict, cursor, STEP_KEYS, prefix)
      index = 1
    end
    return keys[index]
  end
end

-- Iterates over the keys, a few at a time and without stopping writers: an entry that is there
-- all the time is met once. Option: prefix.
function Dict:keys(options)
  check_self(self)
  return each_key(self, checked(options, 1, "keys", WALK_OPTIONS).prefix)
end

local function value_of(dict, key)
  local value, flags = get(dict, key)
  if value == nil and flags == "value is a list" then
    return lrange(dict, key), "list"
  end
  return value, flags
end

-- The same with values and flags; of a list, a table of its elements and "list"; of an entry that
-- holds a table which cannot be read, nil and the error: one of them must not end the walk.
function Dict:items(options)
  check_self(self)
  local next_key = each_key(self, checked(options, 1, "items", WALK_OPTIONS).prefix)
  return function()
    for key in next_key do
      local ok, value, flags = pcall(value_of, self, key)
      if not ok then
        if type(value) == "table" and value.code == "damaged" then
          return key, nil, value
        end
        error(value, 0)
      elseif value ~= nil then
        return key, value, flags
      end
    end
  end
end

-- Figures. Option: deep, to walk through all entries and tell what the bytes hold, too: the
-- coroutine waits while a thread does that.
function Dict:stats(options)
  check_self(self)
  local is_deep = checked(options, 1, "stats", STATS_OPTIONS).deep
  local figures = stats(self)
  for name, figure in pairs(is_deep and measure(self) or NONE) do
    figures[name] = figure
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
  if n ~= nil and not tonumber(n) then
    bad_argument(2, 1, "add", "number expected", type(n))
  end
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

-- A striped counter; nil and a reason for an empty name.
function Dict:counter(name)
  check_self(self)
  if type(name) ~= "string" and type(name) ~= "number" then
    bad_argument(2, 1, "counter", "string expected", type(name))
  end
  if name == "" then
    return nil, "empty key"
  end
  return setmetatable({ dict = self, name = tostring(name) }, Counter)
end
