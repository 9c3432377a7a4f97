-- Methods for lists, but for those that wait.

local ffi = require("ffi")
local common = require("moonhive_shm.common")

local error, pairs, select = error, pairs, select
local tonumber, tostring, type = tonumber, tostring, type
local text_of = ffi.string

local OK, TOO_SMALL = common.OK, common.TOO_SMALL
local BOOLEAN, INTEGER, DOUBLE = common.BOOLEAN, common.INTEGER, common.DOUBLE
local BYTES, TABLE = common.BYTES, common.TABLE
local LEFT, RIGHT = common.LEFT, common.RIGHT
local FILLING, CALLED = common.FILLING, common.CALLED
local BUFFER_BYTES, TABLE_REFUSED = common.BUFFER_BYTES, common.TABLE_REFUSED
local ELEMENT_BYTES = ffi.sizeof("mhshm_element")

local handle_of, list_handle_of = common.handle_of, common.list_handle_of
local list_key_of, message = common.list_key_of, common.message
local milliseconds = common.milliseconds
local number_of, place_of = common.number_of, common.place_of
local is_value, put_value, value_of = common.is_value, common.put_value, common.value_of
local buffer, entry, number = common.buffer, common.entry, common.number
local count, options, phase = common.count, common.options, common.phase
local size, value = common.size, common.value

-- What the head of a new list takes beside its key.
local HEAD_BYTES = 72

local library
local methods = {}

-- What a push answers that failed: false where a new list found no room even for its head, as nginx
-- answers. Only the room of the whole dictionary can be asked for: where just the shard of the list
-- is full, the answer is nil.
local function refused(handle, name)
  local text = message()
  if text ~= "no memory" then
    return nil, text
  end
  phase[1] = CALLED
  local has_no_room = library.mhshm_length(handle, name, #name, number) == OK
    and number[0] == 0
    and library.mhshm_free_bytes(handle, number) == OK
    and number[0] < HEAD_BYTES + #name
  phase[1] = false
  if has_no_room then
    return false, text
  end
  return nil, text
end

-- Pushes what is a value.
local function store(handle, name, side, x, ttl_ms, never_evict)
  phase[1] = FILLING
  put_value(x)
  options.flags, options.ttl_ms, options.never_evict = 0, ttl_ms, never_evict
  phase[1] = CALLED
  if library.mhshm_push(handle, name, #name, value, side, options, number) ~= OK then
    return refused(handle, name)
  end
  local length = tonumber(number[0])
  phase[1] = false
  return length
end

local function push(side, handle, _, key, x)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  local kind = type(x)
  if kind ~= "string" and kind ~= "number" then
    return nil, "bad value type"
  end
  return store(handle, name, side, x, 0, 1)
end

local function invalid_option(name, expected, got)
  local text = "option '%s': expected %s, got %s"
  error(text:format(name, expected, type(got) == "number" and got or type(got)), 5)
end

-- What a store takes of the options of a push: milliseconds, and whether it must throw out nobody;
-- raises for what is none.
local function store_options(wanted)
  for name in pairs(wanted) do
    if name ~= "ttl" and name ~= "evict" then
      error("unknown option '" .. tostring(name) .. "' (expected evict, ttl)", 4)
    end
  end
  local ttl, evict = wanted.ttl, wanted.evict
  local is_span = type(ttl) == "number" and ttl >= 0
  if ttl ~= nil and not is_span then
    invalid_option("ttl", "seconds from 0 (for ever) up", ttl)
  elseif evict ~= nil and type(evict) ~= "boolean" then
    invalid_option("evict", "true or false", evict)
  end
  return milliseconds(ttl, 4), evict and 0 or 1
end

-- A push with a table of options, which nginx does not know: booleans are taken, too.
local function push_with_options(side, self, key, x, wanted)
  local handle = list_handle_of(1, self)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  local ttl_ms, never_evict = store_options(wanted)
  if not is_value(x) then
    return nil, "bad value type"
  end
  return store(handle, name, side, x, ttl_ms, never_evict)
end

local function has_options(...)
  return select("#", ...) == 4 and type(select(4, ...)) == "table"
end

-- lpush(key, value [, options]): adds an element at the beginning of a list; its length. Options:
-- ttl (seconds that a new list lives), evict (true: the least recently used entries are thrown out
-- when there is no room).
function methods.lpush(...)
  if has_options(...) then
    return push_with_options(LEFT, ...)
  end
  return push(LEFT, list_handle_of(3, ...), ...)
end

-- rpush(key, value [, options]): adds an element at the end of a list; its length.
function methods.rpush(...)
  if has_options(...) then
    return push_with_options(RIGHT, ...)
  end
  return push(RIGHT, list_handle_of(3, ...), ...)
end

-- Takes the element at an end: one nil if there is none.
local function take(handle, name, side)
  phase[1] = CALLED
  local found, wrong =
    value_of(library.mhshm_pop(handle, name, #name, side, buffer, BUFFER_BYTES, entry))
  phase[1] = false
  if wrong then
    return nil, wrong
  end
  return found
end

local function pop(side, handle, _, key)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  return take(handle, name, side)
end

-- lpop(key): takes the first element of a list.
function methods.lpop(...)
  return pop(LEFT, list_handle_of(2, ...), ...)
end

-- rpop(key): takes the last element of a list.
function methods.rpop(...)
  return pop(RIGHT, list_handle_of(2, ...), ...)
end

local function length(handle, _, key)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  phase[1] = CALLED
  if library.mhshm_length(handle, name, #name, number) ~= OK then
    return nil, message()
  end
  local elements = tonumber(number[0])
  phase[1] = false
  return elements
end

-- llen(key): elements of a list; 0 without one.
function methods.llen(...)
  return length(list_handle_of(2, ...), ...)
end

-- The elements of packed records; nil and a text for one that has no form here.
local function unpack_elements(packed, wanted)
  local elements, at = {}, 0
  for index = 1, wanted do
    local element = ffi.cast("mhshm_element *", packed + at)
    local kind = element.type
    if kind == BYTES then
      local bytes = packed + at + ELEMENT_BYTES
      elements[index] = text_of(bytes, element.length_bytes)
    elseif kind == INTEGER then
      elements[index] = tonumber(element.integer)
    elseif kind == DOUBLE then
      elements[index] = element.number
    elseif kind == BOOLEAN then
      elements[index] = element.integer ~= 0
    elseif kind == TABLE then
      return nil, TABLE_REFUSED
    end
    at = at + element.record_bytes
  end
  return elements
end

-- An index from 0, as the library counts; those from the end are negative in both.
local function from_zero(index, usual)
  index = index == nil and usual or number_of(index, "index", 4)
  return index > 0 and index - 1 or index
end

-- The elements of a list from one index to another, both included, in a table; indices count from
-- 1, negative ones from the end. All without any.
function methods.lrange(self, key, first, last)
  local handle = handle_of(self)
  local from, to = from_zero(first, 1), from_zero(last, -1)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  phase[1] = CALLED
  local code = library.mhshm_range(handle, name, #name, from, to, buffer, BUFFER_BYTES, size, count)
  if code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
  local packed = place_of(code, tonumber(size[0]))
  local elements, refusal = unpack_elements(packed, tonumber(count[0]))
  phase[1] = false
  return elements, refusal
end

return {
  methods = methods,
  take = take,
  use = function(loaded)
    library = loaded
  end,
}
