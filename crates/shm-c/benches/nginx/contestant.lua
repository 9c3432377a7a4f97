-- The host in the comparison: as many services that run loops as it has workers.

local hive = require "hive"

local name, workers = ...

for number = 0, tonumber(workers) - 1 do
  hive.spawn("runner", name, number)
end
-- Whoever started it kills it.
hive.wait {}
