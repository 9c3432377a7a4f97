-- Starting services that require ten modules of 500 lines, what they cost, what is left of them.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(2000)
hive.kill(hive.spawn "worker")
local before = bench.resident_bytes()
local services = {}
bench.measure("spawn_10_modules", n, function()
  for i = 1, n do
    services[i] = hive.spawn "worker"
  end
end)
bench.emit("spawn_10_modules_resident", (bench.resident_bytes() - before) / n / 1024, "KiB/service")
local lua = 0
for i = 1, n do
  local memory = services[i]:memory()
  lua = lua + memory
end
bench.emit("spawn_10_modules_lua", lua / n / 1024, "KiB/service")
bench.measure("kill_10_modules", n, function()
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
bench.emit(
  "kill_10_modules_left",
  (bench.resident_bytes() - before) / 1048576,
  "MiB after a second"
)
hive.shutdown()
