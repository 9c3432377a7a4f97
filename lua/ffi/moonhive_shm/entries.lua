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
-- Attempts of `update` before it gives up.
local UPDATES_MAX = 1000

local argument_error, handle_of = common.argument_error, common.handle_of
local key_of, message = common.key_of, common.message
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

-- The value of a key with its version, which cas() and wait() take, and its flags; nil without one.
function methods.get_versioned(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local found, wrong = value_of(library.mhshm_get(handle, name, #name, buffer, BUFFER_BYTES, entry))
  if wrong then
    return nil, wrong
  elseif found == nil then
    return nil
  end
  return found, entry.version, tonumber(entry.flags)
end

-- Makes the flags of a store ready: numbers without their fraction, booleans. Raises at that level
-- of the stack, for an argument of that number.
local function put_flags(flags, position, level)
  local kind = type(flags)
  if kind == "number" or kind == "boolean" or kind == "cdata" then
    options.flags = flags
  elseif flags == nil then
    options.flags = 0
  else
    local name = kind == "userdata" and "void *" or kind
    argument_error(position, "cannot convert '" .. name .. "' to 'int'", level)
  end
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

-- Flags come last in all of these, as in nginx: they are looked at once everything else is right.
local function set(handle, key, x, exptime, flags, never_evict)
  options.ttl_ms = milliseconds(exptime, 3)
  options.never_evict = never_evict
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if x ~= nil and not put_value(x) then
    return nil, "bad value type"
  end
  put_flags(flags, 5, 3)
  if x == nil then
    return delete(handle, name)
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

-- Makes everything ready for a store that takes no nil; the key, or nil and what is wrong. The
-- flags are the argument of that number.
local function prepare(key, x, exptime, flags, never_evict, position)
  options.ttl_ms = milliseconds(exptime, 4)
  options.never_evict = never_evict
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  if x ~= nil and not put_value(x) then
    return nil, "bad value type"
  end
  put_flags(flags, position, 4)
  if x == nil then
    return nil, "attempt to add or replace nil values"
  end
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

-- Makes init and its time ready; the structure, or nil without init.
local function put_initial(init, init_ttl)
  options.flags = 0
  options.never_evict = 0
  options.ttl_ms = 0
  if init then
    put_number(initial, number_of(init, "init"))
  end
  if init_ttl ~= nil then
    local seconds = number_of(init_ttl, "init_ttl")
    if seconds < 0 then
      error('bad "init_ttl" argument', 3)
    end
    if not init then
      error('must provide "init" when providing "init_ttl"', 3)
    end
    options.ttl_ms = milliseconds(seconds, 3)
  end
  return init and initial or nil
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
  local step = tonumber(by)
  if not step then
    error("cannot convert 'nil' to 'double'", 2)
  end
  put_number(value, step)
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

-- As ttl, of what does not live: less than nothing while it can still be read.
local function negative_ttl(handle, name)
  local code = library.mhshm_overdue(handle, name, #name, number)
  if code == NOT_FOUND then
    return nil, "not found"
  elseif code ~= OK then
    return nil, message()
  elseif number[0] == ALL_BITS then
    -- nginx lets an entry that is flushed end a millisecond after the beginning of 1970.
    return 1 / MILLISECONDS - time()
  end
  return -max(floor(tonumber(number[0]) / MILLISECONDS), 1) / MILLISECONDS
end

-- How many seconds an entry still lives; 0 if for ever, negative for what has expired and was not
-- given back.
function methods.ttl(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_ttl(handle, name, #name, number)
  if code == NOT_FOUND then
    return negative_ttl(handle, name)
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
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  -- A number in a string is one here, and the error for what is none is Lua's.
  local ttl_ms = milliseconds(exptime * 1, 3)
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
