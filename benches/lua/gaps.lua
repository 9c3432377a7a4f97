-- What callers of a service with a large heap wait for, when there is time between their calls: the
-- collector works in the gaps.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(10000)
-- Calls in a row before the next gap.
local ROW = 4

for _, live in ipairs { 1000, 10000, 100000 } do
  local service <const> = hive.spawn("gaps_service", live)
  local samples = {}
  local cpu = os.clock()
  for i = 1, n do
    local began = hive.now()
    service:work(i)
    samples[i] = hive.now() - began
    if i % ROW == 0 then
      hive.sleep(0.001)
    end
  end
  bench.emit(("gaps_%d_cpu"):format(live), (os.clock() - cpu) / n * 1e6, "us_cpu/operation")
  table.sort(samples)
  for _, percent in ipairs { 50, 90, 99 } do
    local sample = samples[n * percent // 100]
    bench.emit(("gaps_%d_p%d"):format(live, percent), sample * 1e6, "us")
  end
  hive.kill(service)
end
