-- The module `skynet.datacenter`: a tree of values that all services of the host share. A place in
-- it is named by its keys, the outermost first.

local skynet = require "skynet"

local keeper = "DATACENTER"

local datacenter = {}

-- The value at a place, a copy; nil if there is none, or no value at all if there is nothing at the
-- first key. A nil among the keys ends them.
function datacenter.get(...)
  return skynet.call(keeper, "lua", "QUERY", ...)
end

-- Puts a value, the last argument, at the place that the others name. Returns what was there
-- before; no value for a new one.
function datacenter.set(...)
  return skynet.call(keeper, "lua", "UPDATE", ...)
end

-- The value at a place, as soon as there is one. It is an error if the place becomes a branch, and
-- at once if somebody waits for a place on the way to it or inside it.
function datacenter.wait(...)
  return skynet.call(keeper, "lua", "WAIT", ...)
end

return datacenter
