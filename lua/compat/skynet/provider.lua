-- The service `.provider`: starts services from functions, each once by its name.

local skynet = require "skynet"
local core = require "skynet.core"

-- The services: `address` once one runs, `launching` while it starts; tasks wait for the record.
local known = {}

-- Why the last start of a name has failed, until it is started again.
local failures = {}

local function record(name)
  local found = known[name]
  if found and found.address and not core.alive(found.address) then
    found = nil
  end
  found = found or {}
  known[name] = found
  return found
end

local function wait_for(service)
  repeat
    skynet.wait(service)
  until service.address or service.failure
  return service.address or error(service.failure, 0)
end

local command = {}

-- Starts a service and tells all who wait for it. A task of its own does, since the deadline of
-- whoever asked first is not that of the start.
local function run(name, service, ...)
  local ok, result = pcall(core.newcell, name, ...)
  if ok and not result then
    ok, result = false, ("the service %s exited while it started"):format(name)
  end
  if ok then
    service.address = result
  else
    service.failure, known[name], failures[name] = result, nil, result
  end
  while skynet.wakeup(service) do
  end
end

function command.launch(name, ...)
  local service = record(name)
  if service.address then
    return service.address
  elseif not service.launching then
    -- It may raise, and runs later.
    skynet.fork(run, name, service, ...)
    service.launching, failures[name] = true, nil
  end
  return wait_for(service)
end

-- The address of the service that runs, or nil and whether it starts.
function command.test(name)
  local service = record(name)
  return service.address, service.launching and not service.address
end

function command.query(name)
  if failures[name] then
    error(failures[name], 0)
  end
  local service = record(name)
  return service.address or wait_for(service)
end

function command.close(name)
  local service = known[name]
  if not (service and service.address) then
    return false
  end
  known[name] = nil
  local was_alive = core.alive(service.address)
  skynet.kill(service.address)
  return was_alive
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
