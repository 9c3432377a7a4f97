-- Starting services that require ten modules of 500 lines, what they cost, what is left of them;
-- and services that read all data of these modules.

local bench = require "bench"
local hive = require "hive"

bench.lives("10_modules", "worker", bench.count(2000))
bench.lives("10_modules_read", "reading_worker", bench.count(2000))
hive.shutdown()
