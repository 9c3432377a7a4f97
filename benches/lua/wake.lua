-- How long a message of a service that goes on computing takes to another service: with two workers
-- or more the other one is idle.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(500)
local listener = hive.spawn "listener"
local spans = {}
for i = 1, n do
  hive.sleep(0.002)
  hive.send(listener, "note", hive.now())
  local busy_until = hive.now() + 0.003
  while hive.now() < busy_until do
  end
  spans[i] = listener:span()
end
table.sort(spans)
bench.emit("wake_wall_median", spans[n // 2] * 1e6, "us")
bench.emit("wake_wall_90_percent", spans[n * 9 // 10] * 1e6, "us")
hive.shutdown()
