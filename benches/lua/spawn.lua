-- Starting empty services, what they cost in memory, and what is left when they are gone.

local bench = require "bench"
local hive = require "hive"

bench.lives("empty", "empty", bench.count(2000))
hive.shutdown()
