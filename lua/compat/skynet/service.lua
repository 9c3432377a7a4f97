-- The module `skynet.service`: unique services that begin with a function instead of a file.

local skynet = require "skynet"
local is_alive = require("skynet.core").alive

local service = {}

-- The keeper of these services is one of them by itself.
local keeper = "hive.provider"

local function check(f)
  assert(type(f) == "function", "the main function of a service is a function")
  local info = debug.getinfo(f, "u")
  assert(
    info.nups == 0 or (info.nups == 1 and debug.getupvalue(f, 1) == "_ENV"),
    "the main function of a service has no upvalue but _ENV"
  )
  return string.dump(f)
end

-- Starts the service of that name, which runs `main` with the arguments as if it were its file; if
-- there is one already, returns that one, and `main` may be anything.
function service.new(name, main, ...)
  local address, is_starting = skynet.call(keeper, "lua", "test", name)
  if is_starting then
    address = skynet.call(keeper, "lua", "query", name)
  elseif not address then
    address = skynet.call(keeper, "lua", "launch", name, check(main), ...)
  end
  service.address = service.address or {}
  service.address[name] = address
  return address
end

-- The address of the service of that name; waits until there is one.
function service.query(name)
  local known = service.address and service.address[name]
  if known and is_alive(known) then
    return known
  end
  return skynet.call(keeper, "lua", "query", name)
end

-- Ends the service of that name; false if there is none.
function service.close(name)
  if service.address then
    service.address[name] = nil
  end
  return skynet.call(keeper, "lua", "close", name)
end

return service
