-- What all parts of the binding share: the structures that calls fill, keys and values on their way
-- to the library and back, and what calls say when they fail.
--
-- The structures are there once. A method fills them, calls the library and reads them, and nothing
-- in between yields: whoever sleeps begins anew afterwards. But what makes a string or a cdata, and
-- what leaves compiled code, may run a finalizer, and that may call methods. So whoever uses the
-- structures says so in `phase`, once keys, times and whatever else can run code of others are
-- known; nothing is made between CALLED and the call. The methods that are called meanwhile are
-- those of a second instance of these files, which has structures of its own (../moonhive_shm.lua
-- chooses).

local ffi = require("ffi")
require("moonhive_shm.declarations")

local error, rawget, select = error, rawget, select
local tonumber, tostring, type = tonumber, tostring, type
local getinfo = debug.getinfo
local floor = math.floor
local format = string.format
local istype, new, text_of = ffi.istype, ffi.new, ffi.string

local OK, NOT_FOUND, TOO_SMALL = 0, 1, 12
local BOOLEAN, INTEGER, DOUBLE, BYTES, TABLE = 1, 2, 3, 4, 5
local LEFT, RIGHT = 0, 1
local KEY_LIMIT_BYTES = 65535
local EXACT_LIMIT = 2 ^ 53
-- From here on tostring does not write every digit of a whole number any more, and from there on
-- neither does a host.
local SHORT_LIMIT, LONG_LIMIT = 1e14, 2 ^ 63
local TIME_LIMIT_MS = 2 ^ 63
-- All bits set: minus one, by way of an integer, since a double would not get there.
local ALL_BITS = ffi.cast("uint64_t", new("int64_t", -1))
local MILLISECONDS = 1000
-- More than this is read through a buffer of its own: one large value must not stay for ever.
local BUFFER_BYTES = 16384
local TABLE_REFUSED = "value is a table"
-- What a method is at: false for nothing, else one of these.
local FILLING, CALLED, INTERRUPTED = 1, 2, 3

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
local size = new("size_t[1]")
local count = new("size_t[1]")
local failure = growing("mhshm_error")
local phase = { false }
-- What the library had to tell when a method was interrupted.
local kept_text, kept_bytes

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
  FILLING = FILLING,
  CALLED = CALLED,
  phase = phase,
  growing = growing,
  buffer = buffer,
  value = value,
  entry = entry,
  options = options,
  number = number,
  size = size,
  count = count,
}

-- The metatable of dictionaries.
local dictionary = { __index = {} }
common.dictionary = dictionary

-- The library has been loaded.
function common.use(loaded)
  library = loaded
end

local function last_text()
  library.mhshm_last_error(failure)
  return text_of(failure.message)
end

-- The words of the failure of a call; the structures are free again.
local function message()
  local text = phase[1] == INTERRUPTED and kept_text or last_text()
  phase[1] = false
  return text
end
common.message = message

-- What the last answer with bytes had, if it did not fit into the buffer.
local function last_bytes()
  library.mhshm_last_bytes(nil, 0, size)
  local length = tonumber(size[0])
  if length > BUFFER_BYTES then
    local bytes = new("char[?]", length)
    return library.mhshm_last_bytes(bytes, length, nil) == OK and bytes or nil
  end
end

-- Takes from the library what it has to tell to a method that is interrupted by a call of another:
-- the words of a failure, and bytes that did not fit. It would tell them until that call.
function common.interrupt(interrupted)
  if interrupted.phase[1] == CALLED then
    interrupted.keep(last_text(), last_bytes())
  end
end

function common.keep(text, bytes)
  kept_text, kept_bytes, phase[1] = text, bytes, INTERRUPTED
end

local handle_type = ffi.typeof("mhshm_dictionary *")

local function is_handle(x)
  return type(x) == "cdata" and istype(handle_type, x)
end

-- The handle of a dictionary, or of what inherits from one; raises if it is something else, or
-- closed.
local function handle_of(self)
  local handle = type(self) == "table" and self[1]
  if not is_handle(handle) then
    error('bad "zone" argument', 3)
  end
  return handle
end
common.handle_of = handle_of

-- Raises for an argument of the method at that level of the stack, by the name that it was called
-- by and with the number that its caller sees, as functions in C do. Methods call what does their
-- work last, so that it has their place on the stack.
local function argument_error(position, text, level)
  local called = getinfo(level, "n")
  if called.namewhat == "method" then
    position = position - 1
  end
  error(("bad argument #%d to '%s' (%s)"):format(position, called.name or "?", text), level + 1)
end
common.argument_error = argument_error

-- The methods that are functions in C in nginx count their arguments, self included, and take no
-- dictionary but one itself. The others leave out and pass over arguments as functions in Lua do.

-- The handle that the arguments of a method for lists begin with; raises for another number of
-- them.
local function list_handle_of(wanted, ...)
  local seen = select("#", ...)
  if seen ~= wanted then
    error("expecting " .. wanted .. " arguments, but only seen " .. seen, 3)
  end
  local self = ...
  local handle = type(self) == "table" and rawget(self, 1)
  if not is_handle(handle) then
    error('bad "zone" argument', 3)
  end
  return handle
end
common.list_handle_of = list_handle_of

local INT = ffi.typeof("int32_t")

-- What a method is given that takes a dictionary and a limit: the handle, and the limit as a whole
-- number or nil without one.
local function handle_and_limit_of(...)
  local seen = select("#", ...)
  if seen < 1 or seen > 2 then
    error("expecting 1 or 2 argument(s), but saw " .. seen, 3)
  end
  local self, most = ...
  if type(self) ~= "table" then
    argument_error(1, "table expected, got " .. type(self), 3)
  end
  local handle = rawget(self, 1)
  if not is_handle(handle) then
    error("bad user data for the ngx_shm_zone_t pointer", 3)
  end
  if seen == 1 then
    return handle
  end
  local limit = type(most) ~= "cdata" and tonumber(most)
  if not limit then
    argument_error(2, "number expected, got " .. type(most), 3)
  end
  return handle, tonumber(ffi.cast(INT, ffi.cast("int64_t", limit)))
end
common.handle_and_limit_of = handle_and_limit_of

-- A number as the key that a host makes of it: whole ones have all their digits, so that different
-- numbers are different keys; what is none has no sign.
local function key_of_number(x)
  if x ~= x then
    return "nan"
  end
  local magnitude = x < 0 and -x or x
  if magnitude >= SHORT_LIMIT and magnitude < LONG_LIMIT and floor(x) == x then
    return format("%.0f", x)
  end
  return tostring(x)
end

-- A key as a string, or nil and what is wrong with it.
local function key_of(key)
  if key == nil then
    return nil, "nil key"
  end
  local kind = type(key)
  if kind == "number" then
    key = key_of_number(key)
  elseif kind ~= "string" then
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
    argument_error(2, "string expected, got " .. kind, 3)
  end
  return key_of(key)
end
common.list_key_of = list_key_of

-- Milliseconds of a time in seconds; whatever is not for ever lasts one at least. Raises at that
-- level of the stack.
local function milliseconds(seconds, level)
  if not seconds or seconds == 0 then
    return 0
  end
  if type(seconds) == "cdata" then
    -- What is no number raises below.
    seconds = tonumber(seconds) or seconds
  end
  if seconds < 0 then
    error('bad "exptime" argument', level)
  end
  local ms = floor(seconds * MILLISECONDS)
  if ms < 1 then
    return 1
  end
  -- What no clock counts to is for ever.
  return ms < TIME_LIMIT_MS and ms or 0
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

-- Whether a dictionary takes a value from here.
local function is_value(x)
  local kind = type(x)
  return kind == "string" or kind == "number" or kind == "boolean"
end
common.is_value = is_value

-- Puts a value into the structure that all calls share, if it is one. The caller keeps the string
-- alive until the call is over.
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
  end
end
common.put_value = put_value

-- Where the bytes of an answer are: in the buffer, or in one of their own if that was too small.
local function place_of(code, length)
  if code ~= TOO_SMALL then
    return buffer
  end
  local larger = new("char[?]", length)
  -- Making it may have run a finalizer, whose calls have kept the bytes.
  if phase[1] == INTERRUPTED then
    larger, kept_bytes = kept_bytes, nil
    return larger or error("not enough memory")
  elseif library.mhshm_last_bytes(larger, length, nil) ~= OK then
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

-- A number that may come as text; raises at that level of the stack if it is none.
local function number_of(x, what, level)
  local found = tonumber(x)
  if not found then
    error("bad " .. what .. " arg: number expected, got " .. type(x), level)
  end
  return found
end
common.number_of = number_of

return common
