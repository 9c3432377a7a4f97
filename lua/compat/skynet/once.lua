-- The module `skynet.service.once`, for services that start others once each: one start for all who
-- ask for a key, and its outcome for all who wait.

local skynet = require "skynet"
local is_alive = require("skynet.core").alive

local Once = {}
Once.__index = Once

-- What is known of a key: `address` once the service runs; `launching`, the token of the task that
-- has launched it, once it starts. Other tasks that wait for the service wait for its record.
function Once:record(key)
  local found = self.known[key]
  if found and found.address and not is_alive(found.address) then
    found = nil
  end
  found = found or {}
  self.known[key] = found
  return found
end

-- Waits until the service runs, or until its start has failed.
local function wait_for(service, token)
  repeat
    skynet.wait(token)
  until service.address or service.failure
  return service.address or error(service.failure, 0)
end

-- Starts a service and tells all who wait for it. A task of its own does, since the deadline of
-- whoever asked first is not that of the start.
local function run(self, key, service, ...)
  local ok, result = pcall(self.start, ...)
  if ok and result then
    service.address = result
  elseif ok then
    -- No failure of the service: whoever asks next may wait for the next start.
    service.failure, self.known[key] = ("the service %s exited while it started"):format(key), nil
  else
    service.failure, self.known[key], self.failures[key] = result, nil, result
  end
  skynet.wakeup(service.launching)
  while skynet.wakeup(service) do
  end
end

-- The service of that key; if there is none it is started with the arguments.
function Once:launch(key, ...)
  local service = self:record(key)
  if service.address then
    return service.address
  elseif not service.launching then
    -- It may raise, and runs later.
    skynet.fork(run, self, key, service, ...)
    service.launching = self.in_order and service or {}
    self.failures[key] = nil
    return wait_for(service, service.launching)
  end
  return wait_for(service, service)
end

-- The same once somebody has started it; raises why its last start has failed.
function Once:query(key)
  if self.failures[key] then
    error(self.failures[key], 0)
  end
  local service = self:record(key)
  return service.address or wait_for(service, service)
end

-- `start` gets the arguments of `launch` and gives an address, or nil if the service has exited.
-- `failures` keeps why the last start of a key has failed, until it is started again. Whoever has
-- launched a service is told first and then the others as they came; all as they came if `in_order`
-- is true.
return function(start, in_order)
  return setmetatable({ start = start, in_order = in_order, known = {}, failures = {} }, Once)
end
