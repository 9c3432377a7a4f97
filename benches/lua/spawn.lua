-- Starting empty services, what they cost in memory, and what is left when they are gone.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(2000)
hive.kill(hive.spawn "empty")
collectgarbage()
local services = {}
local before = bench.resident_bytes()
bench.measure("spawn_empty", n, function()
  for i = 1, n do
    services[i] = hive.spawn "empty"
  end
end)
bench.emit("spawn_empty_resident", (bench.resident_bytes() - before) / n / 1024, "KiB/service")
local lua = 0
for i = 1, n do
  local memory = services[i]:memory()
  lua = lua + memory
end
bench.emit("spawn_empty_lua", lua / n / 1024, "KiB/service")
bench.measure("kill_empty", n, function()
  local left, done = n, {}
  for i = 1, n do
    hive.monitor(services[i], function()
      left = left - 1
      if left == 0 then
        hive.wakeup(done)
      end
    end)
    hive.kill(services[i])
  end
  hive.wait(done)
end)
hive.sleep(1)
bench.emit("spawn_empty_left", (bench.resident_bytes() - before) / 1048576, "MiB after a second")
hive.shutdown()
