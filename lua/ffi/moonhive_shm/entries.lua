-- Methods for single entries.

local ffi = require("ffi")
local common = require("moonhive_shm.common")

local error, tonumber, type = error, tonumber, type
local ceil, floor, max = math.ceil, math.floor, math.max
local time = os.time

local OK, NOT_FOUND, EXISTS, NO_MEMORY, OVERFLOW, CHANGED = 0, 1, 2, 3, 7, 8
local INTEGER, DOUBLE = common.INTEGER, common.DOUBLE
local ALL_BITS = common.ALL_BITS
local MILLISECONDS, MICROSECONDS = common.MILLISECONDS, 1e6
local BUFFER_BYTES = common.BUFFER_BYTES
local FILLING, CALLED = common.FILLING, common.CALLED
-- Attempts of `update` before it gives up.
local UPDATES_MAX = 1000

local argument_error, handle_of = common.argument_error, common.handle_of
local key_of, message = common.key_of, common.message
local milliseconds, number_of = common.milliseconds, common.number_of
local is_value, put_number = common.is_value, common.put_number
local put_value, value_of = common.put_value, common.value_of
local buffer, entry, number = common.buffer, common.entry, common.number
local options, value = common.options, common.value
local phase = common.phase
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
  phase[1] = CALLED
  local found, wrong = value_of(library.mhshm_get(handle, name, #name, buffer, BUFFER_BYTES, entry))
  local flags = entry.flags
  phase[1] = false
  if wrong then
    return nil, wrong
  elseif found ~= nil and flags ~= 0 then
    return found, flags
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
  phase[1] = CALLED
  local found, wrong =
    value_of(library.mhshm_get_stale(handle, name, #name, buffer, BUFFER_BYTES, entry))
  local flags, is_stale = entry.flags, entry.is_stale ~= 0
  phase[1] = false
  if wrong then
    return nil, wrong
  elseif found == nil then
    return nil
  end
  return found, flags ~= 0 and flags or nil, is_stale
end

-- The value of a key with its version, which cas() and wait() take, and its flags; nil without one.
function methods.get_versioned(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  phase[1] = CALLED
  local found, wrong = value_of(library.mhshm_get(handle, name, #name, buffer, BUFFER_BYTES, entry))
  local version, flags = entry.version, entry.flags
  phase[1] = false
  if wrong then
    return nil, wrong
  elseif found == nil then
    return nil
  end
  return found, version, flags
end

local int = ffi.new("int32_t[1]")

-- The flags of a store: numbers without their fraction, booleans. Raises at that level of the
-- stack, for an argument of that number.
local function flags_of(flags, position, level)
  local kind = type(flags)
  if kind == "number" or kind == "boolean" then
    return flags
  elseif kind == "cdata" then
    int[0] = flags
    return int[0]
  elseif flags == nil then
    return 0
  end
  local name = kind == "userdata" and "void *" or kind
  argument_error(position, "cannot convert '" .. name .. "' to 'int'", level)
end

-- Fills the structures for a store, which has to follow at once; nothing here can run code of
-- others, but for a finalizer.
local function fill(x, ttl_ms, flags, never_evict)
  phase[1] = FILLING
  put_value(x)
  options.ttl_ms = ttl_ms
  options.flags = flags
  options.never_evict = never_evict
  phase[1] = CALLED
end

-- What a store returns after its code.
local function outcome(code)
  local forcible = stored.forcible ~= 0
  if code == OK then
    phase[1] = false
    return true, nil, forcible
  elseif code ~= NO_MEMORY and code ~= EXISTS and code ~= NOT_FOUND and code ~= CHANGED then
    return nil, message()
  end
  phase[1] = false
  if code == NO_MEMORY then
    return false, "no memory", forcible
  elseif code == EXISTS then
    return false, "exists", false
  elseif code == NOT_FOUND then
    return false, "not found", false
  end
  return false, "changed", false
end

local function delete(handle, name)
  phase[1] = CALLED
  if library.mhshm_delete(handle, name, #name, nil) ~= OK then
    return nil, message()
  end
  phase[1] = false
  return true, nil, false
end

-- Flags come last in all of these, as in nginx: they are looked at once everything else is right.
local function set(handle, key, x, exptime, flags, never_evict)
  local ttl_ms = milliseconds(exptime, 3)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if x ~= nil and not is_value(x) then
    return nil, "bad value type"
  end
  flags = flags_of(flags, 5, 3)
  if x == nil then
    return delete(handle, name)
  end
  fill(x, ttl_ms, flags, never_evict)
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

-- Makes everything ready for a store that takes no nil; the key, or nil and what is wrong. The
-- flags are the argument of that number.
local function prepare(key, x, exptime, flags, never_evict, position)
  local ttl_ms = milliseconds(exptime, 4)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if x ~= nil and not is_value(x) then
    return nil, "bad value type"
  end
  flags = flags_of(flags, position, 4)
  if x == nil then
    return nil, "attempt to add or replace nil values"
  end
  fill(x, ttl_ms, flags, never_evict)
  return name
end

-- What a store that did not begin returns.
local function refused(problem)
  if problem == "attempt to add or replace nil values" then
    return false, problem, false
  end
  return nil, problem
end

local function add(handle, key, x, exptime, flags, never_evict)
  local name, problem = prepare(key, x, exptime, flags, never_evict, 5)
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
  local name, problem = prepare(key, x, exptime, flags, 0, 5)
  if not name then
    return refused(problem)
  end
  return outcome(library.mhshm_replace(handle, name, #name, value, options, stored))
end

-- Stores a value if the live entry has this version, which is what version() and get_versioned()
-- have returned; nil: if there is no live entry.
function methods.cas(self, key, version, x, exptime, flags)
  local handle = handle_of(self)
  if version ~= nil then
    -- Raises for what is none, as long as that is harmless.
    number[0] = version
  end
  local name, problem = prepare(key, x, exptime, flags, 0, 6)
  if not name then
    return refused(problem)
  end
  if version ~= nil then
    return outcome(library.mhshm_cas(handle, name, #name, version, value, options, stored))
  end
  local code = library.mhshm_add(handle, name, #name, value, options, stored)
  return outcome(code == EXISTS and CHANGED or code)
end

-- Stores what `f` makes of the value, and calls it again when another writer was faster. Without an
-- exptime the entry keeps the one that it has; when `f` returns nil it stays. What is there now, or
-- nil and a text.
function methods.update(self, key, f, exptime, flags)
  for _ = 1, UPDATES_MAX do
    local found, version, old_flags = self:get_versioned(key)
    if found == nil and version then
      return nil, version
    end
    local new = f(found)
    if new == nil then
      return found
    end
    local ttl = exptime
    if ttl == nil and found ~= nil then
      local left = self:ttl(key)
      ttl = left and left > 0 and left or nil
    end
    local ok, reason = self:cas(key, version, new, ttl, flags or old_flags)
    if ok then
      return new
    elseif reason ~= "changed" and reason ~= "not found" then
      return nil, reason
    end
  end
  return nil, "changed"
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

-- Milliseconds of init_ttl.
local function initial_ms(init, init_ttl)
  if init_ttl == nil then
    return 0
  end
  local seconds = number_of(init_ttl, "init_ttl", 4)
  if seconds < 0 then
    error('bad "init_ttl" argument', 3)
  end
  if not init then
    error('must provide "init" when providing "init_ttl"', 3)
  end
  return milliseconds(seconds, 3)
end

-- Fills the structures for an incr, which has to follow at once.
local function fill_numbers(put, step, first, ttl_ms)
  phase[1] = FILLING
  put(value, step)
  if first then
    put(initial, first)
  end
  options.flags, options.never_evict, options.ttl_ms = 0, 0, ttl_ms
  phase[1] = CALLED
end

local function put_double(place, x)
  place.type, place.number = DOUBLE, x
end

local function sum_of(first)
  local total = sum.type == INTEGER and tonumber(sum.integer) or sum.number
  local forcible = sum.forcible ~= 0
  phase[1] = false
  if first then
    return total, nil, forcible
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
  local step = tonumber(by)
  if not step then
    error("cannot convert 'nil' to 'double'", 2)
  end
  local first = init and number_of(init, "init", 3)
  local ttl_ms = initial_ms(first, init_ttl)
  local begin = first and initial or nil
  fill_numbers(put_number, step, first, ttl_ms)
  local code = library.mhshm_incr(handle, name, #name, value, begin, options, sum)
  if code == OVERFLOW then
    -- What nginx's own would have added.
    fill_numbers(put_double, step, first, ttl_ms)
    code = library.mhshm_incr(handle, name, #name, value, begin, options, sum)
  end
  if code ~= OK then
    return nil, message()
  end
  return sum_of(first)
end

-- What a call has put into `number`, or nil and what went wrong.
local function number_after(code)
  if code ~= OK then
    return nil, message()
  end
  local found = number[0]
  phase[1] = false
  return found
end

-- As ttl, of what does not live: less than nothing while it can still be read.
local function negative_ttl(handle, name)
  phase[1] = CALLED
  local code = library.mhshm_overdue(handle, name, #name, number)
  if code == NOT_FOUND then
    phase[1] = false
    return nil, "not found"
  end
  local past, problem = number_after(code)
  if not past then
    return nil, problem
  elseif past == ALL_BITS then
    -- nginx lets an entry that is flushed end a millisecond after the beginning of 1970.
    return 1 / MILLISECONDS - time()
  end
  return -max(floor(tonumber(past) / MILLISECONDS), 1) / MILLISECONDS
end

-- How many seconds an entry still lives; 0 if for ever, negative for what has expired and was not
-- given back.
function methods.ttl(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  phase[1] = CALLED
  local code = library.mhshm_ttl(handle, name, #name, number)
  if code == NOT_FOUND then
    return negative_ttl(handle, name)
  end
  local left
  left, problem = number_after(code)
  if not left then
    return nil, problem
  elseif left == ALL_BITS then
    return 0
  end
  -- Upwards, to whole milliseconds: 0 must not mean both.
  return ceil(tonumber(left) / MILLISECONDS) * MILLISECONDS / MICROSECONDS
end

-- Lets a live entry end after so many seconds; 0: never.
function methods.expire(self, key, exptime)
  local handle = handle_of(self)
  if not exptime then
    error('bad "exptime" argument', 2)
  end
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  -- A number in a string is one here, and the error for what is none is Lua's.
  local ttl_ms = milliseconds(exptime * 1, 3)
  phase[1] = CALLED
  if library.mhshm_expire(handle, name, #name, ttl_ms) ~= OK then
    return nil, message()
  end
  phase[1] = false
  return true
end

-- The version of a live entry or list, as a cdata that cas() takes; nil without one.
function methods.version(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  phase[1] = CALLED
  local code = library.mhshm_entry_version(handle, name, #name, number)
  if code == NOT_FOUND then
    phase[1] = false
    return nil
  end
  return number_after(code)
end

return {
  methods = methods,
  use = function(loaded)
    library = loaded
  end,
}
