-- What the host takes for a timer: 100,000 of one service that all run the same function, first as
-- far apart as those of `timer.lua`, then all due at the same time.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(100000)
local left, done = 0, {}

local function ring()
  left = left - 1
  if left == 0 then
    hive.wakeup(done)
  end
end

local function fire(name)
  local cpu = os.clock()
  hive.wait(done)
  bench.emit(name, (os.clock() - cpu) / n * 1e6, "us_cpu/timer")
end

collectgarbage()
local lua, resident = collectgarbage "count", bench.resident_bytes()
left = n
bench.measure("alarm_arm", n, function()
  for i = 1, n do
    hive.after(1 + (i * 7919 % 1000) / 1000, ring)
  end
end)
bench.emit("alarm_lua_memory", (collectgarbage "count" - lua) * 1024 / n, "bytes/timer")
bench.emit("alarm_resident_memory", (bench.resident_bytes() - resident) / n, "bytes/timer")
fire "alarm_fire"

left = n
local due = hive.now() + 0.5
for _ = 1, n do
  hive.after(math.max(due - hive.now(), 0.1), ring)
end
fire "alarm_fire_at_once"

bench.measure("alarm_arm_and_cancel", n, function()
  for _ = 1, n do
    hive.after(10, ring):cancel()
  end
end)
hive.shutdown()
