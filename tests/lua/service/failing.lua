-- A service that fails after a while, before its file has returned.

local hive = require "hive"

hive.sleep(0.01)
error("cannot start today", 0)
