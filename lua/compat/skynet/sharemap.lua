-- The module `skynet.sharemap`: a record of a sproto type that one service writes and others read.
--
-- The writer's changes are seen by readers when it commits and they update.

local sprotoloader = require "sprotoloader"
local stm = require "skynet.stm"

-- The slot of the process that holds the types.
local SLOT = 0

local sharemap = {}

-- The types, as soon as they are needed.
local schema
local function types()
  schema = schema or sprotoloader.load(SLOT)
  return schema
end

-- Reads the types of all records from a file, once for all services.
function sharemap.register(filename)
  sprotoloader.register(filename, SLOT)
end

-- Shows the fields as they are now to all readers.
local function commit(writer)
  writer.__obj(types():encode(writer.__typename, writer.__data))
end

-- What leads to the record from other services.
local function copy(writer)
  return stm.copy(writer.__obj)
end

-- A record to write to, with the fields of `data`, which is the table that keeps them.
function sharemap.writer(typename, data)
  data = data or {}
  local writer = {
    __typename = typename,
    __data = data,
    __obj = stm.new(types():encode(typename, data)),
    commit = commit,
    copy = copy,
  }
  return setmetatable(writer, { __index = data, __newindex = data })
end

local function decode(msg, sz, reader)
  local data = reader.__data
  for key in pairs(data) do
    data[key] = nil
  end
  return (types():decode(reader.__typename, msg, sz, data))
end

-- Reads what was committed last; false if that is read already.
local function update(reader)
  return reader.__obj(decode, reader)
end

-- A record to read from what `copy` of its writer returned.
function sharemap.reader(typename, stm_copy)
  local reader = {
    __typename = typename,
    __data = {},
    __obj = stm.newcopy(stm_copy),
    update = update,
  }
  update(reader)
  local function refuse(_, key)
    error(("this record is only read (key %s)"):format(tostring(key)), 2)
  end
  return setmetatable(reader, { __index = reader.__data, __newindex = refuse })
end

return sharemap
