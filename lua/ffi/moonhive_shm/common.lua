-- What all parts of the binding share: the structures that calls fill, keys and values on their way
-- to the library and back, and what calls say when they fail.
--
-- The structures are there once. A method fills them, calls the library and reads them, and nothing
-- in between yields: whoever sleeps begins anew afterwards.

local ffi = require("ffi")
require("moonhive_shm.declarations")

local error, getmetatable, tonumber, tostring, type = error, getmetatable, tonumber, tostring, type
local floor = math.floor
local new, text_of = ffi.new, ffi.string

local OK, NOT_FOUND, TOO_SMALL = 0, 1, 12
local BOOLEAN, INTEGER, DOUBLE, BYTES, TABLE = 1, 2, 3, 4, 5
local LEFT, RIGHT = 0, 1
local KEY_LIMIT_BYTES = 65535
local EXACT_LIMIT = 2 ^ 53
-- All bits set: minus one, by way of an integer, since a double would not get there.
local ALL_BITS = ffi.cast("uint64_t", new("int64_t", -1))
local MILLISECONDS = 1000
-- More than this is read through a buffer of its own: one large value must not stay for ever.
local BUFFER_BYTES = 16384
local TABLE_REFUSED = "value is a table"

local function growing(name)
  local structure = new(name)
  structure.struct_bytes = ffi.sizeof(name)
  return structure
end

local library
local buffer = new("char[?]", BUFFER_BYTES)
local value = new("mhshm_value")
local entry = growing("mhshm_entry")
local options = growing("mhshm_store_options")
local number = new("uint64_t[1]")
local size = new("size_t[2]")

local common = {
  OK = OK,
  NOT_FOUND = NOT_FOUND,
  TOO_SMALL = TOO_SMALL,
  BOOLEAN = BOOLEAN,
  INTEGER = INTEGER,
  DOUBLE = DOUBLE,
  BYTES = BYTES,
  TABLE = TABLE,
  LEFT = LEFT,
  RIGHT = RIGHT,
  ALL_BITS = ALL_BITS,
  EXACT_LIMIT = EXACT_LIMIT,
  MILLISECONDS = MILLISECONDS,
  BUFFER_BYTES = BUFFER_BYTES,
  TABLE_REFUSED = TABLE_REFUSED,
  growing = growing,
  buffer = buffer,
  value = value,
  entry = entry,
  options = options,
  number = number,
  size = size,
}

-- The metatable of dictionaries.
local dictionary = { __index = {} }
common.dictionary = dictionary

-- The library has been loaded.
function common.use(loaded)
  library = loaded
end

-- The words of the last failure.
local function message()
  local failure = growing("mhshm_error")
  library.mhshm_last_error(failure)
  return text_of(failure.message)
end
common.message = message

-- The handle of a dictionary; raises if it is something else, or closed.
local function handle_of(self)
  local handle = type(self) == "table" and getmetatable(self) == dictionary and self[1]
  if not handle then
    error('bad "zone" argument', 3)
  end
  return handle
end
common.handle_of = handle_of

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
common.key_of = key_of

-- The calls about lists take strings and numbers as keys, nothing else.
local function list_key_of(key)
  local kind = type(key)
  if kind ~= "string" and kind ~= "number" and key ~= nil then
    error("bad argument #1 (string expected, got " .. kind .. ")", 3)
  end
  return key_of(key)
end
common.list_key_of = list_key_of

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
common.milliseconds = milliseconds

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
common.put_number = put_number

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
common.put_value = put_value

-- Where the bytes of an answer are: in the buffer, or in one of their own if that was too small.
local function place_of(code, length)
  if code ~= TOO_SMALL then
    return buffer
  end
  local larger = new("char[?]", length)
  if library.mhshm_last_bytes(larger, length, nil) ~= OK then
    error(message())
  end
  return larger
end
common.place_of = place_of

local function bytes_of(code)
  local length = tonumber(entry.length_bytes)
  return text_of(place_of(code, length), length)
end

-- What a read or a pop has found, given its code: one nil for nothing, nil and a text for what went
-- wrong.
local function value_of(code)
  if code == NOT_FOUND then
    return nil
  elseif code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
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
    return nil, TABLE_REFUSED
  end
  return nil
end
common.value_of = value_of

-- A number that may come as text; raises if it is none.
local function number_of(x, what)
  local found = tonumber(x)
  if not found then
    error("bad " .. what .. " arg: number expected, got " .. type(x), 3)
  end
  return found
end
common.number_of = number_of

return common
