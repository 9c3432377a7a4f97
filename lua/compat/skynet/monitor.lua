-- `skynet.monitor`: a service that is told of the end of every other.

local skynet = ...
local set_monitor = require("skynet.core").set_monitor

-- Makes the unique service of that name the monitor of the host: it gets an empty message of the
-- protocol "client" from each service that has ended. With `query` it must be there already.
function skynet.monitor(name, query)
  local monitor
  if query then
    monitor = skynet.queryservice(true, name)
  else
    monitor = skynet.uniqueservice(true, name)
  end
  set_monitor(monitor)
  return monitor
end
