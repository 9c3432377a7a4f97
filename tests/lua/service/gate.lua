-- A service for the suite of supervision: services that start ask it to let them pass, and wait
-- while it is shut.

local hive = require "hive"

local is_shut, refusals = false, 0
-- Who has asked, in order, and how many of them wait.
local seen, waiting = {}, 0

return {
  pass = function()
    seen[#seen + 1] = hive.caller()
    while is_shut do
      waiting = waiting + 1
      hive.wait(seen)
      waiting = waiting - 1
    end
    if refusals > 0 then
      refusals = refusals - 1
      return false
    end
    return true
  end,
  shut = function()
    is_shut = true
  end,
  open = function()
    is_shut = false
    repeat
      local woken = hive.wakeup(seen)
    until not woken
  end,
  -- The next so many fail to start.
  refuse = function(count)
    refusals = count
  end,
  waiting = function()
    return waiting
  end,
  seen = function()
    return seen
  end,
}
