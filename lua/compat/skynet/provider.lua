-- The service `hive.provider`: starts services from functions, each once by its name.

local core = require "skynet.core"
local skynet = require "skynet"

local services = require "skynet.service.once"(function(name, ...)
  -- An exit during the start is a failure here: whoever asks next is told of it.
  return core.newcell(name, ...)
    or error(("the service %s exited while it started"):format(name), 0)
end, true)

local command = {}

function command.launch(name, ...)
  return services:launch(name, name, ...)
end

-- The address of the service that runs, or nil and whether it starts.
function command.test(name)
  local service = services:record(name)
  return service.address, service.launching and not service.address
end

function command.query(name)
  return services:query(name)
end

function command.close(name)
  local service = services.known[name]
  if not (service and service.address) then
    return false
  end
  services.known[name] = nil
  local was_alive = core.alive(service.address)
  skynet.kill(service.address)
  return was_alive
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
