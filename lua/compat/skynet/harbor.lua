-- The module `skynet.harbor`: names for all nodes of a network, of which there is this one. What
-- connects nodes says so.

local core = require "skynet.core"
local skynet = require "skynet"
require "skynet.manager"

local harbor = {}

-- Gives a service, by default this one, a name without a point.
function harbor.globalname(name, address)
  skynet.name(name, address or skynet.self())
end

-- The address of that name; waits until there is one, unless it is a name of this node.
function harbor.queryname(name)
  return core.named(name) or skynet.call(".cslave", "lua", "QUERYNAME", name)
end

-- Returns when the node of that number is not reached any more: at once.
function harbor.link() end

-- Waits until the node of that number is there.
function harbor.connect(id)
  error(("cannot connect to the harbor %s: there is one node"):format(tostring(id)), 2)
end

-- Returns when the node that knows all others is not reached any more: at once.
function harbor.linkmaster() end

return harbor
