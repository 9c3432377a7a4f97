-- 100,000 timers of one service: arming, firing, memory, lateness; then an idle host.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(100000)
local fired, done, late, worst = 0, {}, 0, 0

collectgarbage()
local lua, resident = collectgarbage "count", bench.resident_bytes()
bench.measure("timer_arm", n, function()
  for i = 1, n do
    local delay = 2 + (i * 7919 % 1000) / 1000
    local due = hive.now() + delay
    hive.after(delay, function()
      local lateness = hive.now() - due
      assert(lateness >= 0, "a timer was early")
      late, worst, fired = late + lateness, math.max(worst, lateness), fired + 1
      if fired == n then
        hive.wakeup(done)
      end
    end)
  end
end)
bench.emit("timer_lua_memory", (collectgarbage "count" - lua) * 1024 / n, "bytes/timer")
bench.emit("timer_resident_memory", (bench.resident_bytes() - resident) / n, "bytes/timer")
local cpu = os.clock()
hive.wait(done)
bench.emit("timer_fire", (os.clock() - cpu) / n * 1e6, "us_cpu/timer")
bench.emit("timer_late_mean", late / n * 1e3, "ms")
bench.emit("timer_late_worst", worst * 1e3, "ms")

hive.sleep(1)
cpu = os.clock()
hive.sleep(3)
bench.emit("idle_cpu", (os.clock() - cpu) / 3 * 100, "percent of a core")
hive.shutdown()
