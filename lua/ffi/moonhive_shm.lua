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
-- Opening is here; the methods are in the folder moonhive_shm, which lies beside this file. Those
-- that store, read and take make no table, no closure and no cdata: all calls share the structures
-- of its `common`, and LuaJIT compiles them. A finalizer may call a method in the midst of another:
-- the files are there twice for that, with structures for each. Finalizers do not interrupt each
-- other.

local ffi = require("ffi")

local error, ipairs, pairs, setmetatable = error, ipairs, pairs, setmetatable
local tonumber, tostring = tonumber, tostring

local NAMES = { "common", "entries", "lists", "waiting", "whole" }

-- An instance of the files, by their names.
local function instance()
  local parts = {}
  for _, name in ipairs(NAMES) do
    package.loaded["moonhive_shm." .. name] = nil
  end
  for _, name in ipairs(NAMES) do
    parts[name] = require("moonhive_shm." .. name)
  end
  return parts
end

local usual, nested = instance(), instance()
local common = usual.common
local ABI_VERSION = 2
local OK = common.OK

local dictionary, growing = common.dictionary, common.growing
local handle_of, message = common.handle_of, common.message

local library
local shm = {}

-- A method: that of the usual instance, but that of the other one where this interrupts another.
-- Made of text, since LuaJIT compiles calls of a function best that is the only one of its text.
-- A call that an error has left in the midst looks like one for ever. So both may seem to be in
-- use; only the one that was begun last can be, as finalizers do not interrupt each other.
local CHOICE = [[
local usual, nested, common, nested_common, last = ...
local phase, nested_phase = common.phase, nested_common.phase
return function(@)
  if phase[1] and not (nested_phase[1] and last[1] == nested_common) then
    nested_common.interrupt(common)
    last[1] = nested_common
    return nested(@)
  elseif nested_phase[1] then
    common.interrupt(nested_common)
  end
  last[1] = common
  return usual(@)
end
]]

-- The common part of the instance whose method was begun last.
local last = { common }

local function choice(method, other)
  local about = debug.getinfo(method, "u")
  local names = { "self", "a", "b", "c", "d", "e" }
  local parameters = about.isvararg and "..." or table.concat(names, ", ", 1, about.nparams)
  local make = assert(loadstring((CHOICE:gsub("@", parameters)), "=moonhive_shm"))
  return make(method, other, common, nested.common, last)
end

for file, part in pairs(usual) do
  for name, method in pairs(part.methods or {}) do
    dictionary.__index[name] = choice(method, nested[file].methods[name])
  end
end

-- Closes the dictionary for this Lua state; its entries stay.
function dictionary.__index.close(self)
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
    for _, name in ipairs(NAMES) do
      usual[name].use(loaded)
      nested[name].use(loaded)
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

-- A dictionary of a handle, which is closed when nobody has it any more, and when the Lua state
-- ends: finalizers that run after that find it closed.
local function owner_of(handle)
  local owner = setmetatable({}, dictionary)
  local owners = setmetatable({ owner }, { __mode = "v" })
  owner[1] = ffi.gc(handle, function(closing)
    if owners[1] then
      owners[1][1] = false
    end
    library.mhshm_close(closing)
  end)
  return owner
end

-- Opens by a function of the library; the one for files has another name.
local function open_by(how, name, wanted)
  shm.load()
  local file = wanted and wanted.file
  local call = library[file and how .. "_file" or how]
  local place = ffi.new("mhshm_dictionary *[1]")
  local settings = open_options(wanted)
  local code
  if how == "mhshm_open_or_create" then
    code = call(file or name, settings, place, nil)
  else
    code = call(file or name, settings, place)
  end
  if code ~= OK then
    return nil, message()
  end
  return owner_of(place[0])
end

-- Opens a dictionary, making it if need be; nil and a text if that fails. Options, all optional:
-- size (bytes or text like "64m"; counts when it is made), mode (permission bits), shards,
-- lock_timeout_ms, file (the path of a dictionary in a file, whose name then does not matter).
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
