-- The service `.service`: starts unique services once, and tells their addresses. Those that a
-- program wants once in a whole cluster are others than those of this host: an `@` stands before
-- their names.

local skynet = require "skynet"
local is_alive = require("skynet.core").alive

-- What is known of each name: `address` once the service runs, `launching` while it starts. Tasks
-- that wait for a service wait for its record.
local known = {}

-- Why the last start of a name has failed, until it is started again.
local failures = {}

local function record(name)
  local found = known[name]
  if found and found.address and not is_alive(found.address) then
    found = nil
  end
  found = found or {}
  known[name] = found
  return found
end

-- Waits until the service runs, or until its start has failed.
local function wait_for(service)
  repeat
    skynet.wait(service)
  until service.address or service.failure
  return service.address or error(service.failure, 0)
end

local command = {}

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

-- Starts a service and tells all who wait for it. A task of its own does, since the deadline of
-- whoever asked first is not that of the start.
local function run(key, service, ...)
  local ok, result = pcall(start, ...)
  if ok and result then
    service.address = result
  elseif ok then
    -- No failure of the service: whoever asks next may wait for the next start.
    service.failure, known[key] = ("the service %s exited while it started"):format(key), nil
  else
    service.failure, known[key], failures[key] = result, nil, result
  end
  while skynet.wakeup(service) do
  end
end

function command.LAUNCH(...)
  local key = key_of(...)
  local service = record(key)
  if service.address then
    return service.address
  elseif not service.launching then
    -- It may raise, and runs later.
    skynet.fork(run, key, service, ...)
    service.launching, failures[key] = true, nil
  end
  return wait_for(service)
end

function command.QUERY(...)
  local key = key_of(...)
  if failures[key] then
    error(failures[key], 0)
  end
  local service = record(key)
  return service.address or wait_for(service)
end

function command.LIST()
  local list = {}
  for name, service in pairs(known) do
    list[name] = service.address and skynet.address(service.address) or "starting"
  end
  for name, failure in pairs(failures) do
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
