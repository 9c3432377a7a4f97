-- A service for the suites: takes its time to start, and may fail then.

local hive = require "hive"
local seconds, outcome = ...
hive.sleep(seconds)
if outcome == "fail" then
  error "failed on purpose"
end

local noted = {}

return {
  ready = function()
    return true
  end,
  note = function(what)
    noted[#noted + 1] = what
  end,
  noted = function()
    return table.concat(noted, " ")
  end,
}
