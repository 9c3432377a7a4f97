-- hive.unique: the one service of a name, started if there is none.
--
-- A part of the module `hive`, loaded when it is first used.

local hive, native = ...
local fail, standard = native.fail, native.standard

local function result(service, err)
  return service or fail(err)
end

-- Takes what hive.spawn takes; the service is registered under its `register` or its name.
function hive.unique(spawn, ...)
  local key = type(spawn) == "table" and (spawn.register or spawn[1]) or spawn
  if type(key) ~= "string" then
    error("bad argument #1 to 'hive.unique' (name of a service expected)", 2)
  end
  return result(hive.call(standard "hive.uniques", "start", key, spawn, ...))
end
