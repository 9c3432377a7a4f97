-- A module for the suites that takes its time, and counts its loads.

local hive = require "hive"
SLOW_LOADS = (SLOW_LOADS or 0) + 1 -- luacheck: ignore 111 113
hive.sleep(0.01)
return { loads = SLOW_LOADS } -- luacheck: ignore 113
