-- Methods for single entries.

local ffi = require("ffi")
local common = require("moonhive_shm.common")

local error, tonumber = error, tonumber
local ceil = math.ceil

local OK, NOT_FOUND, EXISTS, NO_MEMORY, OVERFLOW, CHANGED = 0, 1, 2, 3, 7, 8
local INTEGER, DOUBLE = common.INTEGER, common.DOUBLE
local ALL_BITS = common.ALL_BITS
local MILLISECONDS, MICROSECONDS = common.MILLISECONDS, 1e6
local BUFFER_BYTES = common.BUFFER_BYTES

local handle_of, key_of, message = common.handle_of, common.key_of, common.message
local milliseconds, number_of = common.milliseconds, common.number_of
local put_number, put_value, value_of = common.put_number, common.put_value, common.value_of
local buffer, entry, number = common.buffer, common.entry, common.number
local options, value = common.options, common.value
local initial = ffi.new("mhshm_value")
local stored = common.growing("mhshm_stored")
local sum = common.growing("mhshm_sum")

local library
local methods = {}

-- Reads a key: its value and flags, or one nil.
function methods.get(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local found, wrong = value_of(library.mhshm_get(handle, name, #name, buffer, BUFFER_BYTES, entry))
  if wrong then
    return nil, wrong
  elseif found ~= nil and entry.flags ~= 0 then
    return found, tonumber(entry.flags)
  end
  return found
end

-- Reads a key even if its time is over: value, flags or nil, whether it is over.
function methods.get_stale(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local found, wrong =
    value_of(library.mhshm_get_stale(handle, name, #name, buffer, BUFFER_BYTES, entry))
  if wrong then
    return nil, wrong
  elseif found == nil then
    return nil
  end
  return found, entry.flags ~= 0 and tonumber(entry.flags) or nil, entry.is_stale ~= 0
end

-- Makes the options of a store ready. Raises for times and flags that are none.
local function put_options(exptime, flags, never_evict)
  options.ttl_ms = milliseconds(exptime)
  options.flags = flags or 0
  options.never_evict = never_evict
end

-- What a store returns after its code.
local function outcome(code)
  if code == OK then
    return true, nil, stored.forcible ~= 0
  elseif code == NO_MEMORY then
    return false, "no memory", stored.forcible ~= 0
  elseif code == EXISTS then
    return false, "exists", false
  elseif code == NOT_FOUND then
    return false, "not found", false
  elseif code == CHANGED then
    return false, "changed", false
  end
  return nil, message()
end

local function delete(handle, name)
  if library.mhshm_delete(handle, name, #name, nil) ~= OK then
    return nil, message()
  end
  return true, nil, false
end

local function set(handle, key, x, exptime, flags, never_evict)
  put_options(exptime, flags, never_evict)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if x == nil then
    return delete(handle, name)
  end
  if not put_value(x) then
    return nil, "bad value type"
  end
  return outcome(library.mhshm_set(handle, name, #name, value, options, stored))
end

-- Stores a value, whatever was there; nil deletes.
function methods.set(self, key, x, exptime, flags)
  return set(handle_of(self), key, x, exptime, flags, 0)
end

-- The same, but never at the cost of live entries.
function methods.safe_set(self, key, x, exptime, flags)
  return set(handle_of(self), key, x, exptime, flags, 1)
end

-- Makes everything ready for a store that takes no nil; the key, or nil and what is wrong.
local function prepare(key, x, exptime, flags, never_evict)
  put_options(exptime, flags, never_evict)
  local name, problem = key_of(key)
  if name and x == nil then
    return nil, "attempt to add or replace nil values"
  end
  if name and not put_value(x) then
    return nil, "bad value type"
  end
  return name, problem
end

-- What a store that did not begin returns.
local function refused(problem)
  if problem == "attempt to add or replace nil values" then
    return false, problem, false
  end
  return nil, problem
end

local function add(handle, key, x, exptime, flags, never_evict)
  local name, problem = prepare(key, x, exptime, flags, never_evict)
  if not name then
    return refused(problem)
  end
  return outcome(library.mhshm_add(handle, name, #name, value, options, stored))
end

-- Stores a value if no live entry has the key.
function methods.add(self, key, x, exptime, flags)
  return add(handle_of(self), key, x, exptime, flags, 0)
end

-- The same, but never at the cost of live entries.
function methods.safe_add(self, key, x, exptime, flags)
  return add(handle_of(self), key, x, exptime, flags, 1)
end

-- Stores a value if a live entry has the key.
function methods.replace(self, key, x, exptime, flags)
  local handle = handle_of(self)
  local name, problem = prepare(key, x, exptime, flags, 0)
  if not name then
    return refused(problem)
  end
  return outcome(library.mhshm_replace(handle, name, #name, value, options, stored))
end

-- Stores a value if the live entry has this version, which is what version() has returned.
function methods.cas(self, key, version, x, exptime, flags)
  local handle = handle_of(self)
  local name, problem = prepare(key, x, exptime, flags, 0)
  if not name then
    return refused(problem)
  end
  return outcome(library.mhshm_cas(handle, name, #name, version, value, options, stored))
end

-- Ends an entry or a list.
function methods.delete(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  return delete(handle, name)
end

-- Makes init and its time ready; the structure, or nil without init.
local function put_initial(init, init_ttl)
  options.flags = 0
  options.never_evict = 0
  options.ttl_ms = 0
  if init_ttl ~= nil then
    local seconds = number_of(init_ttl, "init_ttl")
    if seconds < 0 then
      error('bad "init_ttl" argument', 3)
    end
    if not init then
      error('must provide "init" when providing "init_ttl"', 3)
    end
    options.ttl_ms = milliseconds(seconds)
  end
  if not init then
    return nil
  end
  put_number(initial, number_of(init, "init"))
  return initial
end

-- Doubles for integers: what nginx's own would have added.
local function as_doubles(first)
  if value.type == INTEGER then
    value.type, value.number = DOUBLE, tonumber(value.integer)
  end
  if first and first.type == INTEGER then
    first.type, first.number = DOUBLE, tonumber(first.integer)
  end
end

local function sum_of(first)
  local total = sum.type == INTEGER and tonumber(sum.integer) or sum.number
  if first then
    return total, nil, sum.forcible ~= 0
  end
  return total
end

-- Adds to a number; without a live entry it begins as init, if there is one.
function methods.incr(self, key, by, init, init_ttl)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  put_number(value, number_of(by, "value"))
  local first = put_initial(init, init_ttl)
  local code = library.mhshm_incr(handle, name, #name, value, first, options, sum)
  if code == OVERFLOW then
    as_doubles(first)
    code = library.mhshm_incr(handle, name, #name, value, first, options, sum)
  end
  if code ~= OK then
    return nil, message()
  end
  return sum_of(first)
end

-- How many seconds an entry still lives; 0 if for ever.
function methods.ttl(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_ttl(handle, name, #name, number)
  if code == NOT_FOUND then
    return nil, "not found"
  elseif code ~= OK then
    return nil, message()
  end
  if number[0] == ALL_BITS then
    return 0
  end
  -- Upwards, to whole milliseconds: 0 must not mean both.
  return ceil(tonumber(number[0]) / MILLISECONDS) * MILLISECONDS / MICROSECONDS
end

-- Lets a live entry end after so many seconds; 0: never.
function methods.expire(self, key, exptime)
  local handle = handle_of(self)
  if not exptime then
    error('bad "exptime" argument', 2)
  end
  local ttl_ms = milliseconds(exptime)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if library.mhshm_expire(handle, name, #name, ttl_ms) ~= OK then
    return nil, message()
  end
  return true
end

-- The version of a live entry or list, as a cdata that cas() takes; nil without one.
function methods.version(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_entry_version(handle, name, #name, number)
  if code == NOT_FOUND then
    return nil
  elseif code ~= OK then
    return nil, message()
  end
  return number[0]
end

return {
  methods = methods,
  use = function(loaded)
    library = loaded
  end,
}
