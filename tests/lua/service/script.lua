-- A script for the suites: returns nothing and lives as long as its tasks.

local hive = require "hive"
local seconds = ...
hive.fork(function()
  hive.sleep(seconds / 2)
  hive.after(seconds / 2, function() end)
end)
