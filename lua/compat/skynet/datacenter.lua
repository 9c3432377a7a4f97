-- The module `skynet.datacenter`: a tree of values that every service of the host reads and writes.
-- A place in it is named by its keys, outermost first.

local skynet = require "skynet"

local datacenter = {}

-- The value at a place, or nil.
function datacenter.get(...)
  return skynet.call(".datacenter", "lua", "get", ...)
end

-- Writes a place: its keys, then the value. Returns the value before.
function datacenter.set(...)
  return skynet.call(".datacenter", "lua", "set", ...)
end

-- The value at a place, once there is one.
function datacenter.wait(...)
  return skynet.call(".datacenter", "lua", "wait", ...)
end

return datacenter
