-- Methods for lists.

local common = require("moonhive_shm.common")

local error, select, tonumber, type = error, select, tonumber, type

local OK = common.OK
local LEFT, RIGHT = common.LEFT, common.RIGHT
local BUFFER_BYTES = common.BUFFER_BYTES

local handle_of, list_key_of, message = common.handle_of, common.list_key_of, common.message
local put_value, value_of = common.put_value, common.value_of
local buffer, entry, number = common.buffer, common.entry, common.number
local options, value = common.options, common.value

local library
local methods = {}

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

-- Takes the element at an end: one nil if there is none.
local function take(handle, name, side)
  return value_of(library.mhshm_pop(handle, name, #name, side, buffer, BUFFER_BYTES, entry))
end

local function pop(handle, key, side)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  end
  return take(handle, name, side)
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

return {
  methods = methods,
  use = function(loaded)
    library = loaded
  end,
}
