-- The service `.service`: starts unique services once, and tells their addresses. Those that a
-- program wants once in a whole cluster are others than those of this host: an `@` stands before
-- their names.

local skynet = require "skynet"

-- The name of the file, without the `@` of a service that the cluster has once.
local function file_of(name)
  return name:match "^@?(.*)$"
end

-- Starts a service by its name, or with the name "snaxd" the snax service that comes behind it.
local function start(name, ...)
  name = file_of(name)
  if name == "snaxd" then
    return require("skynet.snax").rawnewservice(...)
  end
  return skynet.newservice(name, ...)
end

-- Under which name a service is known that the arguments of `start` describe.
local function key_of(name, snax_name)
  assert(type(name) == "string", "the name of a service is a string")
  if file_of(name) == "snaxd" then
    assert(type(snax_name) == "string", "the name of a snax service is a string")
    return name .. "." .. snax_name
  end
  return name
end

local services = require "skynet.service.once"(start)

local command = {}

function command.LAUNCH(...)
  return services:launch(key_of(...), ...)
end

function command.QUERY(...)
  return services:query(key_of(...))
end

function command.LIST()
  local list = {}
  for name, service in pairs(services.known) do
    list[name] = service.address and skynet.address(service.address) or "starting"
  end
  for name, failure in pairs(services.failures) do
    list[name] = "Error: " .. failure
  end
  return list
end

local function global(name)
  assert(type(name) == "string", "the name of a service is a string")
  return "@" .. name
end

function command.GLAUNCH(name, ...)
  return command.LAUNCH(global(name), ...)
end

function command.GQUERY(name, ...)
  return command.QUERY(global(name), ...)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name]
    if f then
      skynet.retpack(f(...))
    else
      skynet.retpack(nil, ("Invalid command %s"):format(tostring(name)))
    end
  end)
end)
