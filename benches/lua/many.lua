-- A hundred thousand services alive at once, each having answered a call: memory, and whether the
-- last ones are spawned as quickly as the first.

local bench = require "bench"
local hive = require "hive"

local STEPS = 10

local n = bench.count(100000)
local resident = bench.resident_bytes()
local services = {}
for step = 1, STEPS do
  bench.measure(("many_spawn_%d"):format(step), n // STEPS, function(count)
    for _ = 1, count do
      local service = hive.spawn "empty"
      service:ping()
      services[#services + 1] = service
    end
  end)
end
bench.emit("many_resident", (bench.resident_bytes() - resident) / n / 1024, "KiB/service")
bench.emit("many_resident_process", bench.resident_bytes() / 2 ^ 30, "GiB")
bench.measure("many_call_each", n, function()
  for _, service in ipairs(services) do
    service:ping()
  end
end)
bench.measure("many_kill", n, function()
  for _, service in ipairs(services) do
    hive.kill(service)
  end
  while hive.stats().services > n // 100 do
    hive.sleep(0.01)
  end
end)
hive.sleep(1)
bench.emit("many_resident_left", (bench.resident_bytes() - resident) / 2 ^ 20, "MiB")
hive.shutdown()
