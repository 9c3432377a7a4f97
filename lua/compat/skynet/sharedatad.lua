-- The service `.sharedata`: keeps the data of `skynet.sharedata`, packed; tells of new versions.

local skynet = require "skynet"

-- By name: `version` and `packed`. Tasks that wait for the next version wait for the record.
local known = {}

local function record(name)
  return known[name] or error(("there is no shared data %s"):format(tostring(name)), 0)
end

local function publish(data, value)
  assert(type(value) == "table", "shared data is a table")
  data.packed = skynet.packstring(value)
  data.version = data.version + 1
  while skynet.wakeup(data) do
  end
end

local command = {}

function command.new(name, value)
  if known[name] then
    error(("there is shared data %s already"):format(tostring(name)), 0)
  end
  local data = { version = 0 }
  publish(data, value)
  known[name] = data
end

function command.update(name, value)
  known[name] = known[name] or { version = 0 }
  publish(known[name], value)
end

function command.delete(name)
  local data = record(name)
  known[name], data.deleted = nil, true
  while skynet.wakeup(data) do
  end
end

function command.query(name)
  local data = record(name)
  return data.version, skynet.unpack(data.packed)
end

-- Waits for a version after that one; nothing if the name was taken away.
function command.next_version(name, version)
  local data = known[name]
  while data and not data.deleted and data.version <= version do
    skynet.wait(data)
  end
  if data and not data.deleted then
    return data.version, skynet.unpack(data.packed)
  end
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
