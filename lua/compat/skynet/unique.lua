-- `skynet.uniqueservice` and `skynet.queryservice`: services that the host has once, by their name.
-- `.service` keeps them. A first argument `true` asks for one in a whole cluster: this host.

local skynet = ...

function skynet.uniqueservice(name, ...)
  if name == true then
    return skynet.call(".service", "lua", "LAUNCH", ...)
  end
  return skynet.call(".service", "lua", "LAUNCH", name, ...)
end

function skynet.queryservice(name, ...)
  if name == true then
    name = ...
  end
  return skynet.call(".service", "lua", "QUERY", name)
end
