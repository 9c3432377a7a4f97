-- compat.ngx.ffi: as much of LuaJIT's module `ffi` as libraries about shared dictionaries use. It
-- declares structures, makes them, walks through arrays of them by pointers, reads them from
-- strings and writes them to strings. It calls no C: there is nothing to call.
--
-- An object is a table that stands for a structure, for the pointer to it, and for the array that
-- begins with it: each structure has one, so that equal pointers are equal. Pointers are counted in
-- addresses that no memory has.

local types = require "compat.ngx.types"

local getmetatable, rawget, setmetatable, type = getmetatable, rawget, setmetatable, type
local pack, unpack = string.pack, string.unpack
local tointeger = math.tointeger

local ffi = {}

-- Where an object has its fields, its array and its place in it, from 0.
local VALUES, ARRAY, PLACE = {}, {}, {}

-- Types that a caller holds.
local Ctype = {}
-- Metatables of objects: of a structure to what its objects have.
local metatables = {}

local next_address = 4096

local function fail(level, text, ...)
  error("ffi: " .. text:format(...), level + 1)
end

-- The type that a caller means by a text, a type or an object.
local function type_of(x)
  if type(x) == "string" then
    return types.parse(x)
  end
  local meta = getmetatable(x)
  if meta == Ctype then
    return x.type
  elseif meta and rawget(meta, VALUES) then
    return rawget(meta, VALUES)
  end
  fail(3, "expected a type, got %s", type(x))
end

local function is_object(x)
  local meta = type(x) == "table" and getmetatable(x)
  return meta and rawget(meta, VALUES) ~= nil
end

local function address_of(object)
  return object[ARRAY].address + object[PLACE] * object[ARRAY].element.size
end

-- A number as an integer of so many bytes has it: without its fraction, and the lowest bits only.
local function to_integer(kind, x)
  local whole = tointeger(x)
  if not whole then
    whole = tointeger(x - math.fmod(x, 1)) or math.mininteger
  end
  local bits = kind.size * 8
  if bits == 64 then
    return whole
  end
  whole = whole & ((1 << bits) - 1)
  if kind.is_signed and whole >> (bits - 1) == 1 then
    whole = whole - (1 << bits)
  end
  return whole
end

-- A value as a field of that type has it.
local function convert(kind, x)
  if kind.kind == "pointer" then
    if x ~= nil and not is_object(x) then
      fail(3, "cannot convert %s to '%s'", type(x), kind.name)
    end
    return x
  end
  if type(x) == "boolean" then
    x = x and 1 or 0
  end
  if type(x) ~= "number" then
    fail(3, "cannot convert %s to '%s'", type(x), kind.name)
  end
  return kind.kind == "float" and x + 0.0 or to_integer(kind, x)
end

local function zero(object, structure)
  local values = object[VALUES]
  for _, field in ipairs(structure.fields) do
    values[field.name] = field.type.kind == "float" and 0.0
      or field.type.kind == "integer" and 0
      or nil
  end
end

-- The object so many places behind another one in its array.
local function neighbour(object, distance)
  local array = rawget(object, ARRAY)
  local place = rawget(object, PLACE) + distance
  local found = array[place]
  if not found then
    fail(3, "place %s of an array of %d", place, array.count)
  end
  return found
end

-- What objects of a structure can do; `given` is the metatable that a library has for them.
local function metatable_for(structure, given)
  local fields, methods = structure.field, given.__index
  local meta = {}
  for name, f in pairs(given) do
    meta[name] = f
  end
  meta[VALUES] = structure
  meta.__add = meta.__add or neighbour
  function meta.__index(object, key)
    if fields[key] then
      return rawget(object, VALUES)[key]
    elseif type(key) == "number" then
      return neighbour(object, key)
    elseif type(methods) == "function" then
      return methods(object, key)
    elseif methods and methods[key] ~= nil then
      return methods[key]
    end
    fail(2, "%s has no field '%s'", structure.name, tostring(key))
  end
  function meta.__newindex(object, key, x)
    local kind = fields[key]
    if not kind then
      fail(2, "%s has no field '%s'", structure.name, tostring(key))
    end
    rawget(object, VALUES)[key] = convert(kind, x)
  end
  return meta
end

local function metatable_of(structure)
  if not structure.fields then
    fail(3, "%s is not declared", structure.name)
  end
  local meta = metatables[structure]
  if not meta then
    meta = metatable_for(structure, {})
    metatables[structure] = meta
  end
  return meta
end

-- An array of structures, all zero: its first object.
local function make(structure, count)
  local meta = metatable_of(structure)
  local array = { address = next_address, count = count, element = structure }
  next_address = next_address + (structure.size * count + 15) // 16 * 16
  for place = 0, count - 1 do
    local object = { [VALUES] = {}, [ARRAY] = array, [PLACE] = place }
    zero(object, structure)
    array[place] = setmetatable(object, meta)
  end
  return array[0]
end

-- Fills the fields of an object from a table, by name or in their order.
local function fill_from(object, structure, init)
  for index, field in ipairs(structure.fields) do
    local x = init[field.name]
    if x == nil then
      x = init[index]
    end
    if x ~= nil then
      object[field.name] = x
    end
  end
  return object
end

local function new(kind, ...)
  if kind.kind == "array" then
    local count = kind.count or tointeger((...))
    if not count or count < 1 then
      fail(3, "an array needs a number of elements")
    end
    return make(kind.element, count)
  elseif kind.kind == "struct" then
    local init = ...
    local object = make(kind, 1)
    if init == nil then
      return object
    end
    return fill_from(object, kind, type(init) == "table" and init or { ... })
  elseif kind.kind == "pointer" then
    return nil
  end
  return convert(kind, ... or 0)
end

function Ctype:__call(...)
  return new(self.type, ...)
end

function Ctype:__tostring()
  return "ctype<" .. self.type.name .. ">"
end

local function bytes_of(object)
  local structure, values, list = getmetatable(object)[VALUES], rawget(object, VALUES), {}
  for index, field in ipairs(structure.fields) do
    local x = values[field.name]
    if field.type.kind == "pointer" then
      x = x and address_of(x) or 0
    elseif field.type.kind == "integer" and not field.type.is_signed and field.type.size < 8 then
      x = x & ((1 << field.type.size * 8) - 1)
    end
    list[index] = x
  end
  return pack(structure.code, table.unpack(list, 1, #structure.fields))
end

-- Declares structures and names of types.
---@param declarations string
function ffi.cdef(declarations)
  types.declare(declarations)
end

-- The type that a text names; calling it makes an object.
---@param ct any
function ffi.typeof(ct)
  return setmetatable({ type = type_of(ct) }, Ctype)
end

-- Makes an object: a structure, from a table or from the values of its fields, or an array.
---@param ct any
---@param ... any
function ffi.new(ct, ...)
  return new(type_of(ct), ...)
end

-- Gives all objects of a structure methods and a finalizer; the type.
---@param ct any
---@param metatable table
function ffi.metatype(ct, metatable)
  local structure = type_of(ct)
  if structure.kind ~= "struct" or metatables[structure] then
    fail(2, "%s is no structure without a metatable", structure.name)
  end
  metatables[structure] = metatable_for(structure, metatable)
  return setmetatable({ type = structure }, Ctype)
end

-- Bytes of a type, or of an array of that type with so many elements.
---@param ct any
---@param count? integer
---@return integer
function ffi.sizeof(ct, count)
  local kind = type_of(ct)
  if kind.kind == "array" then
    return kind.element.size * (kind.count or count)
  end
  return kind.size
end

-- A pointer as a number, a number as one of another type, or the structure that a string holds.
---@param ct any
---@param x any
function ffi.cast(ct, x)
  local kind = type_of(ct)
  if kind.kind ~= "pointer" then
    return convert(kind, is_object(x) and address_of(x) or x or 0)
  elseif x == nil or is_object(x) then
    return x
  elseif type(x) ~= "string" or kind.target.kind ~= "struct" then
    fail(2, "cannot convert %s to '%s'", type(x), kind.name)
  end
  local object = make(kind.target, 1)
  local size = kind.target.size
  local values = { unpack(kind.target.code, x .. ("\0"):rep(size - #x)) }
  for index, field in ipairs(kind.target.fields) do
    if field.type.kind ~= "pointer" then
      object[field.name] = values[index]
    end
  end
  return object
end

-- The bytes of a structure, or of a string.
---@param object any
---@param length? integer
---@return string
function ffi.string(object, length)
  local bytes = is_object(object) and bytes_of(object) or object
  if length and length > #bytes then
    fail(2, "%d bytes of %d", length, #bytes)
  end
  return bytes:sub(1, length or #bytes)
end

-- Makes structures zero that lie in so many bytes.
---@param object table
---@param length integer
---@param byte? integer 0
function ffi.fill(object, length, byte)
  if byte and byte ~= 0 then
    fail(2, "structures can be filled with zeros only")
  end
  local structure = getmetatable(object)[VALUES]
  for distance = 0, length // structure.size - 1 do
    zero(neighbour(object, distance), structure)
  end
end

-- Whether an object is of a type, or points to what is.
---@param ct any
---@param x any
---@return boolean
function ffi.istype(ct, x)
  local kind = type_of(ct)
  local structure = is_object(x) and getmetatable(x)[VALUES]
  return structure == (kind.target or kind.element or kind)
end

local function no_library()
  fail(2, "there is no C to call in a service")
end

ffi.load = no_library
ffi.C = setmetatable({}, { __index = no_library, __newindex = no_library })

return ffi
