-- What tests ask about the end of a service.

local hive = require "hive"

-- Longest wait for an end, in seconds.
local WAIT_MAX = 10

local ending = {}

-- Waits for the end of a service and returns how it ended.
function ending.of(service)
  local token, how = {}, nil
  hive.monitor(service, function(_, ended)
    how = ended
    hive.wakeup(token)
  end)
  if not how then
    assert(hive.wait(token, WAIT_MAX), "the service does not end")
  end
  return how
end

return ending
