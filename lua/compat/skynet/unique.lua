-- `skynet.uniqueservice` and `skynet.queryservice`: services that the host has once, by their name.
-- `.service` keeps them. A first argument `true` asks for the one that a whole cluster has: in this
-- host too, but another service.

local skynet = ...

function skynet.uniqueservice(name, ...)
  if name == true then
    return skynet.call(".service", "lua", "GLAUNCH", ...)
  end
  return skynet.call(".service", "lua", "LAUNCH", name, ...)
end

function skynet.queryservice(name, ...)
  if name == true then
    return skynet.call(".service", "lua", "GQUERY", ...)
  end
  return skynet.call(".service", "lua", "QUERY", name, ...)
end
