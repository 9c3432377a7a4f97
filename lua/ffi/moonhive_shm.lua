-- Dictionaries in shared memory for LuaJIT: nginx with lua-nginx-module, or another host of it.
--
-- A dictionary has the methods of ngx.shared.DICT, with their arguments, results and error texts;
-- docs/shared-memory-from-c.md lists what differs. Other processes have it open at the same time:
-- workers, Moonhive hosts, programs in C. A process that is killed harms nobody.
--
--   local shm = require("moonhive_shm")
--   local sessions = shm.open("sessions", { size = "64m" })
--   sessions:set("ada", "lovelace", 60)
--
-- The methods make no table, no closure and no cdata: all calls share the structures below, and
-- LuaJIT compiles them. That is safe because nothing here yields, and a Lua state runs one
-- coroutine at a time.

local ffi = require("ffi")

local error, getmetatable, ipairs, select = error, getmetatable, ipairs, select
local setmetatable, tonumber, tostring, type = setmetatable, tonumber, tostring, type
local ceil, floor, huge = math.ceil, math.floor, math.huge
local sort = table.sort
local new, text_of = ffi.new, ffi.string

ffi.cdef([[
typedef struct mhshm_dictionary mhshm_dictionary;
typedef struct {
  uint32_t struct_bytes, mode; uint64_t size_bytes; uint32_t shards, lock_timeout_ms;
} mhshm_options;
typedef struct {
  uint32_t type, reserved; int64_t integer; double number; const char *bytes; size_t length_bytes;
} mhshm_value;
typedef struct {
  uint32_t struct_bytes, type; int64_t integer; double number;
  uint64_t length_bytes, version; uint32_t flags, is_stale;
} mhshm_entry;
typedef struct {
  uint32_t struct_bytes, flags; uint64_t ttl_ms; uint32_t never_evict, reserved;
} mhshm_store_options;
typedef struct { uint32_t struct_bytes, forcible; uint64_t version; } mhshm_stored;
typedef struct {
  uint32_t struct_bytes, type; int64_t integer; double number; uint32_t forcible, reserved;
} mhshm_sum;
typedef struct {
  uint32_t record_bytes, key_bytes, flags, age; uint64_t version;
} mhshm_item;
typedef struct {
  uint32_t struct_bytes, shards;
  uint64_t entries, elements, capacity_bytes, used_bytes, free_bytes, segment_bytes, hits, misses;
  uint64_t writes, refusals, evictions, expiries, lock_waits, repairs;
} mhshm_numbers;
typedef struct {
  uint32_t struct_bytes; int code, errno_value; char message[512], hint[256];
} mhshm_error;

uint32_t mhshm_abi_version(void);
int mhshm_last_error(mhshm_error *error);
int mhshm_last_bytes(char *buffer, size_t capacity_bytes, size_t *length_bytes);
int mhshm_create(const char *name, const mhshm_options *, mhshm_dictionary **);
int mhshm_open(const char *name, const mhshm_options *, mhshm_dictionary **);
int mhshm_open_or_create(const char *name, const mhshm_options *, mhshm_dictionary **, int *made);
int mhshm_close(mhshm_dictionary *);
int mhshm_unlink(const char *name);
int mhshm_get(const mhshm_dictionary *, const char *, size_t, char *, size_t, mhshm_entry *);
int mhshm_get_stale(const mhshm_dictionary *, const char *, size_t, char *, size_t, mhshm_entry *);
int mhshm_entry_version(const mhshm_dictionary *, const char *, size_t, uint64_t *version);
int mhshm_ttl(const mhshm_dictionary *, const char *, size_t, uint64_t *ttl_us);
int mhshm_set(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_add(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_replace(const mhshm_dictionary *, const char *, size_t, const mhshm_value *,
                  const mhshm_store_options *, mhshm_stored *);
int mhshm_cas(const mhshm_dictionary *, const char *, size_t, uint64_t version, const mhshm_value *,
              const mhshm_store_options *, mhshm_stored *);
int mhshm_delete(const mhshm_dictionary *, const char *, size_t, int *was_live);
int mhshm_incr(const mhshm_dictionary *, const char *, size_t, const mhshm_value *by,
               const mhshm_value *initial, const mhshm_store_options *, mhshm_sum *);
int mhshm_expire(const mhshm_dictionary *, const char *, size_t, uint64_t ttl_ms);
int mhshm_push(const mhshm_dictionary *, const char *, size_t, const mhshm_value *, int side,
               const mhshm_store_options *, uint64_t *length);
int mhshm_pop(const mhshm_dictionary *, const char *, size_t, int side, char *, size_t,
              mhshm_entry *);
int mhshm_length(const mhshm_dictionary *, const char *, size_t, uint64_t *length);
int mhshm_items(const mhshm_dictionary *, uint64_t *cursor, size_t wanted, char *, size_t,
                size_t *length_bytes, size_t *count);
int mhshm_flush_all(const mhshm_dictionary *);
int mhshm_flush_expired(const mhshm_dictionary *, uint64_t most, uint64_t *freed);
int mhshm_capacity_bytes(const mhshm_dictionary *, uint64_t *);
int mhshm_free_bytes(const mhshm_dictionary *, uint64_t *);
int mhshm_statistics(const mhshm_dictionary *, mhshm_numbers *);
int mhshm_check(const mhshm_dictionary *, char *, size_t, size_t *length_bytes, size_t *count);
]])

local ABI_VERSION = 1
local OK, NOT_FOUND, EXISTS, NO_MEMORY, OVERFLOW, CHANGED, TOO_SMALL = 0, 1, 2, 3, 7, 8, 12
local BOOLEAN, INTEGER, DOUBLE, BYTES, TABLE = 1, 2, 3, 4, 5
local LEFT, RIGHT = 0, 1
local KEY_LIMIT_BYTES = 65535
local EXACT_LIMIT = 2 ^ 53
-- All bits set: minus one, by way of an integer, since a double would not get there.
local FOREVER = ffi.cast("uint64_t", new("int64_t", -1))
local END = FOREVER
-- Keys asked for at once when all are wanted.
local KEYS_STEP = 1000
local KEYS_USUAL = 1024
local MILLISECONDS, MICROSECONDS = 1000, 1e6
-- More than this is read through a buffer of its own: one large value must not stay for ever.
local BUFFER_BYTES = 16384

local function growing(name)
  local structure = new(name)
  structure.struct_bytes = ffi.sizeof(name)
  return structure
end

local library
local buffer = new("char[?]", BUFFER_BYTES)
local value = new("mhshm_value")
local initial = new("mhshm_value")
local entry = growing("mhshm_entry")
local options = growing("mhshm_store_options")
local stored = growing("mhshm_stored")
local sum = growing("mhshm_sum")
local number = new("uint64_t[1]")
local size = new("size_t[2]")

local shm = {}
local methods = {}
local dictionary = { __index = methods }

-- The words of the last failure.
local function message()
  local failure = growing("mhshm_error")
  library.mhshm_last_error(failure)
  return text_of(failure.message)
end

-- The handle of a dictionary; raises if it is something else, or closed.
local function handle_of(self)
  local handle = type(self) == "table" and getmetatable(self) == dictionary and self[1]
  if not handle then
    error('bad "zone" argument', 3)
  end
  return handle
end

-- A key as a string, or nil and what is wrong with it.
local function key_of(key)
  if key == nil then
    return nil, "nil key"
  end
  if type(key) ~= "string" then
    key = tostring(key)
  end
  if #key == 0 then
    return nil, "empty key"
  end
  if #key > KEY_LIMIT_BYTES then
    return nil, "key too long"
  end
  return key
end

-- The calls about lists take strings and numbers as keys, nothing else.
local function list_key_of(key)
  local kind = type(key)
  if kind ~= "string" and kind ~= "number" and key ~= nil then
    error("bad argument #1 (string expected, got " .. kind .. ")", 3)
  end
  return key_of(key)
end

-- Milliseconds of a time in seconds; whatever is not for ever lasts one at least.
local function milliseconds(seconds)
  if not seconds or seconds == 0 then
    return 0
  end
  if seconds < 0 then
    error('bad "exptime" argument', 3)
  end
  local ms = floor(seconds * MILLISECONDS)
  if ms < 1 then
    return 1
  end
  return ms < EXACT_LIMIT and ms or EXACT_LIMIT
end

-- Puts a number into a structure. Whole numbers become integers, but for minus zero.
local function put_number(place, x)
  if floor(x) == x and x <= EXACT_LIMIT and x >= -EXACT_LIMIT and (x ~= 0 or 1 / x > 0) then
    place.type = INTEGER
    place.integer = x
  else
    place.type = DOUBLE
    place.number = x
  end
end

-- Puts a value into the structure that all calls share; false if it has no such type. The caller
-- keeps the string alive until the call is over.
local function put_value(x)
  local kind = type(x)
  if kind == "string" then
    value.type = BYTES
    value.bytes = x
    value.length_bytes = #x
  elseif kind == "number" then
    put_number(value, x)
  elseif kind == "boolean" then
    value.type = BOOLEAN
    value.integer = x and 1 or 0
  else
    return false
  end
  return true
end

-- The bytes of an entry: from the buffer, or what had no room in it.
local function bytes_of(code)
  local length = tonumber(entry.length_bytes)
  if code ~= TOO_SMALL then
    return text_of(buffer, length)
  end
  local larger = new("char[?]", length)
  if library.mhshm_last_bytes(larger, length, nil) ~= OK then
    error(message())
  end
  return text_of(larger, length)
end

-- The value of an entry that was read, or nil and what is wrong with it.
local function value_of(code)
  local kind = entry.type
  if kind == BYTES then
    return bytes_of(code)
  elseif kind == INTEGER then
    return tonumber(entry.integer)
  elseif kind == DOUBLE then
    return entry.number
  elseif kind == BOOLEAN then
    return entry.integer ~= 0
  elseif kind == TABLE then
    return nil, "value is a table"
  end
  return nil
end

-- Reads a key: its value and flags, or one nil.
function methods.get(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_get(handle, name, #name, buffer, BUFFER_BYTES, entry)
  if code == NOT_FOUND then
    return nil
  end
  if code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
  if entry.flags ~= 0 then
    local flags = tonumber(entry.flags)
    return value_of(code), flags
  end
  return value_of(code)
end

-- Reads a key even if its time is over: value, flags or nil, whether it is over.
function methods.get_stale(self, key)
  local handle = handle_of(self)
  local name, problem = key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_get_stale(handle, name, #name, buffer, BUFFER_BYTES, entry)
  if code == NOT_FOUND then
    return nil
  end
  if code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
  local flags = entry.flags ~= 0 and tonumber(entry.flags) or nil
  local is_stale = entry.is_stale ~= 0
  local found, wrong = value_of(code)
  if wrong then
    return nil, wrong
  end
  return found, flags, is_stale
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

-- A number that may come as text; raises if it is none.
local function number_of(x, what)
  local found = tonumber(x)
  if not found then
    error("bad " .. what .. " arg: number expected, got " .. type(x), 3)
  end
  return found
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
  if number[0] == FOREVER then
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

local function push(handle, key, x, side, ...)
  if select("#", ...) > 0 then
    error("expecting 3 arguments", 3)
  end
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  local kind = type(x)
  if kind ~= "string" and kind ~= "number" then
    return nil, "bad value type"
  end
  put_value(x)
  options.flags, options.ttl_ms, options.never_evict = 0, 0, 1
  if library.mhshm_push(handle, name, #name, value, side, options, number) ~= OK then
    return nil, message()
  end
  return tonumber(number[0])
end

-- Adds an element at the beginning of a list; its length.
function methods.lpush(self, key, x, ...)
  return push(handle_of(self), key, x, LEFT, ...)
end

-- Adds an element at the end of a list; its length.
function methods.rpush(self, key, x, ...)
  return push(handle_of(self), key, x, RIGHT, ...)
end

local function pop(handle, key, side)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  local code = library.mhshm_pop(handle, name, #name, side, buffer, BUFFER_BYTES, entry)
  if code == NOT_FOUND then
    return nil
  end
  if code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
  return value_of(code)
end

-- Takes the first element of a list.
function methods.lpop(self, key)
  return pop(handle_of(self), key, LEFT)
end

-- Takes the last element of a list.
function methods.rpop(self, key)
  return pop(handle_of(self), key, RIGHT)
end

-- Elements of a list; 0 without one.
function methods.llen(self, key)
  local handle = handle_of(self)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  if library.mhshm_length(handle, name, #name, number) ~= OK then
    return nil, message()
  end
  return tonumber(number[0])
end

-- Ends every entry.
function methods.flush_all(self)
  if library.mhshm_flush_all(handle_of(self)) ~= OK then
    error(message(), 2)
  end
end

-- Gives expired entries back, up to so many; how many.
function methods.flush_expired(self, most)
  local handle = handle_of(self)
  local limit = most and number_of(most, "max_count") or 0
  if library.mhshm_flush_expired(handle, limit > 0 and limit or 0, number) ~= OK then
    error(message(), 2)
  end
  return tonumber(number[0])
end

-- Adds the keys of packed records to a list.
local function unpack_keys(found, packed, length)
  local at = 0
  while at < length do
    local item = ffi.cast("mhshm_item *", packed + at)
    local key = text_of(packed + at + ffi.sizeof("mhshm_item"), item.key_bytes)
    found[#found + 1] = { key = key, age = tonumber(item.age) }
    at = at + item.record_bytes
  end
end

-- Adds about so many keys from the cursor on.
local function step_keys(handle, cursor, wanted, found)
  local code = library.mhshm_items(handle, cursor, wanted, buffer, BUFFER_BYTES, size, nil)
  local packed, length = buffer, tonumber(size[0])
  if code == TOO_SMALL then
    packed = new("char[?]", length)
    code = library.mhshm_last_bytes(packed, length, nil)
  end
  if code ~= OK then
    error(message(), 3)
  end
  unpack_keys(found, packed, length)
end

local function is_older(a, b)
  return a.age > b.age
end

-- Keys of live entries, least recently used first: 1024 of them, so many, or all (0).
function methods.get_keys(self, most)
  local handle = handle_of(self)
  local limit = most and number_of(most, "max_count") or KEYS_USUAL
  limit = limit > 0 and limit or huge
  local found, cursor = {}, new("uint64_t[1]")
  -- The oldest may be met last: all are looked at.
  while cursor[0] ~= END do
    step_keys(handle, cursor, KEYS_STEP, found)
  end
  sort(found, is_older)
  local keys = {}
  for index = 1, #found < limit and #found or limit do
    keys[index] = found[index].key
  end
  return keys
end

-- Bytes that the dictionary was made for.
function methods.capacity(self)
  library.mhshm_capacity_bytes(handle_of(self), number)
  return tonumber(number[0])
end

-- Bytes that new entries can take.
function methods.free_space(self)
  library.mhshm_free_bytes(handle_of(self), number)
  return tonumber(number[0])
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

local NUMBERS = {
  "shards",
  "entries",
  "elements",
  "capacity_bytes",
  "used_bytes",
  "free_bytes",
  "segment_bytes",
  "hits",
  "misses",
  "writes",
  "refusals",
  "evictions",
  "expiries",
  "lock_waits",
  "repairs",
}

-- A table of what the dictionary counts.
function methods.statistics(self)
  local numbers, result = growing("mhshm_numbers"), {}
  library.mhshm_statistics(handle_of(self), numbers)
  for _, name in ipairs(NUMBERS) do
    result[name] = tonumber(numbers[name])
  end
  return result
end

-- Verifies every invariant: how many do not hold, and a text with a line for each.
function methods.check(self)
  local code = library.mhshm_check(handle_of(self), buffer, BUFFER_BYTES, size, size + 1)
  if code == TOO_SMALL then
    return tonumber(size[1]), "too many to tell"
  elseif code ~= OK then
    return nil, message()
  end
  return tonumber(size[1]), text_of(buffer, size[0])
end

-- Closes the dictionary for this Lua state; its entries stay.
function methods.close(self)
  local handle = handle_of(self)
  self[1] = false
  ffi.gc(handle, nil)
  library.mhshm_close(handle)
end

-- Loads the library from a path, or from where the loader looks. open() does the latter by itself.
function shm.load(path)
  if not library then
    local loaded = ffi.load(path or "libmoonhive_shm.so.1")
    if loaded.mhshm_abi_version() < ABI_VERSION then
      error("libmoonhive_shm is too old", 2)
    end
    library = loaded
  end
end

local UNITS = { [""] = 1, k = 2 ^ 10, m = 2 ^ 20, g = 2 ^ 30 }

-- Bytes of a size: a number, or text like "64m" as nginx writes it.
local function bytes_of_size(x)
  local count, unit = tostring(x):lower():match("^(%d+)([kmg]?)$")
  if not count then
    error('bad size: "' .. tostring(x) .. '" (examples: 65536, "64m")', 4)
  end
  return tonumber(count) * UNITS[unit]
end

local function open_options(wanted)
  local made = growing("mhshm_options")
  wanted = wanted or {}
  made.size_bytes = wanted.size and bytes_of_size(wanted.size) or 0
  made.mode = wanted.mode or 0
  made.shards = wanted.shards or 0
  made.lock_timeout_ms = wanted.lock_timeout_ms or 0
  return made
end

local function open_by(how, name, wanted)
  shm.load()
  local place = new("mhshm_dictionary *[1]")
  local settings = open_options(wanted)
  local code
  if how == "mhshm_open_or_create" then
    code = library.mhshm_open_or_create(name, settings, place, nil)
  else
    code = library[how](name, settings, place)
  end
  if code ~= OK then
    return nil, message()
  end
  return setmetatable({ ffi.gc(place[0], library.mhshm_close) }, dictionary)
end

-- Opens a dictionary, making it if need be; nil and a text if that fails. Options, all optional:
-- size (bytes or text like "64m"; counts when it is made), mode (permission bits), shards,
-- lock_timeout_ms.
function shm.open(name, wanted)
  return open_by("mhshm_open_or_create", name, wanted)
end

-- Opens a dictionary that exists.
function shm.attach(name, wanted)
  return open_by("mhshm_open", name, wanted)
end

-- Makes a dictionary that does not exist.
function shm.create(name, wanted)
  return open_by("mhshm_create", name, wanted)
end

-- Takes the name of a dictionary away; true, or nil and a text. Who has it open keeps it.
function shm.unlink(name)
  shm.load()
  if library.mhshm_unlink(name) ~= OK then
    return nil, message()
  end
  return true
end

return shm
