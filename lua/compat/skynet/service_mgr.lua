-- The service `.service`: starts unique services once, and tells their addresses.

local skynet = require "skynet"
local is_alive = require("skynet.core").alive

-- What is known of each name: `address` once the service runs, `launching` while it starts. Tasks
-- that wait for a service wait for its record.
local known = {}

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
  if service.failure then
    error(service.failure, 0)
  end
  return service.address
end

local command = {}

-- The service of that name, which `start` makes if there is none.
local function launch(name, start, ...)
  assert(type(name) == "string", "the name of a service is a string")
  local service = record(name)
  if service.address then
    return service.address
  elseif service.launching then
    return wait_for(service)
  end
  service.launching = true
  local ok, result = pcall(start, ...)
  if ok then
    service.address = result
  else
    service.failure = result
    known[name] = nil
  end
  while skynet.wakeup(service) do
  end
  return ok and result or error(result, 0)
end

function command.LAUNCH(name, ...)
  return launch(name, skynet.newservice, name, ...)
end

function command.LAUNCH_SNAX(name, ...)
  return launch(name, function(...)
    return require("skynet.snax").newservice(...).handle
  end, ...)
end

function command.QUERY(name)
  assert(type(name) == "string", "the name of a service is a string")
  local service = record(name)
  return service.address or wait_for(service)
end

function command.LIST()
  local list = {}
  for name, service in pairs(known) do
    list[name] = service.address and skynet.address(service.address) or "starting"
  end
  return list
end

command.GLAUNCH = command.LAUNCH
command.GQUERY = command.QUERY

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name]
    if not f then
      error(("the service .service has no command %s"):format(tostring(name)), 0)
    end
    skynet.retpack(f(...))
  end)
end)
