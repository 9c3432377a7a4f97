-- The module `skynet.datasheet.builder`: makes the tables that `skynet.datasheet` reads.

local shared = require "skynet.sharedata.object"
local skynet = require "skynet"

local builder = {}

-- The names of the tables that this service has made.
local made = {}

local function table_name(name)
  return "datasheet:" .. tostring(name)
end

-- The table that a table, or what `compile` made of one, stands for.
local function loaded(value)
  if type(value) == "string" then
    value = skynet.unpack(value)
  end
  assert(type(value) == "table", "a data sheet is a table, or what compile made of one")
  return value
end

-- Makes a data sheet, of which this service may make one by that name.
function builder.new(name, value)
  if made[name] then
    error(("the data sheet %s is made already"):format(tostring(name)), 2)
  end
  shared.update(table_name(name), loaded(value))
  made[name] = true
end

-- Replaces a data sheet that this service has made.
function builder.update(name, value)
  if not made[name] then
    error(("the data sheet %s is not made by this service"):format(tostring(name)), 2)
  end
  shared.update(table_name(name), loaded(value))
end

-- A table as a text, which another service may give to `new` and `update`.
function builder.compile(value)
  assert(type(value) == "table", "a data sheet is a table")
  return skynet.packstring(value)
end

return builder
