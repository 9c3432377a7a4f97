-- Starting services that require ten modules of 500 lines, what they cost, what is left of them.

local bench = require "bench"
local hive = require "hive"

bench.lives("10_modules", "worker", bench.count(2000))
hive.shutdown()
