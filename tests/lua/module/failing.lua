-- A module for the suites whose loads fail after a while.

local hive = require "hive"
FAILED_LOADS = (FAILED_LOADS or 0) + 1 -- luacheck: ignore 111 113
hive.sleep(0.005)
error("attempt " .. FAILED_LOADS) -- luacheck: ignore 113
