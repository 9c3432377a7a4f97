-- Rounds of edit, `cache.clear()` and respawn, while two services live on and reload in place.
-- Every round must see its own version, and resident memory must not grow.

local bench = require "bench"
local cache = require "cache"
local edited = require "edited"
local hive = require "hive"

-- What resident memory may grow by after the first tenth of the rounds.
local GROWTH_BOUND_KIB = 1024
local n = bench.count(10000)
local warm = n // 10

edited.write(0)
local lasting = { edited.spawn(), edited.spawn() }
local before, started, retired_worst = nil, nil, 0
for round = 1, n do
  edited.round(round, lasting)
  if round == warm then
    before, started = bench.resident_bytes(), os.clock()
  end
  if round % 100 == 0 then
    retired_worst = math.max(retired_worst, #cache.stats().retired)
  end
end
local after = bench.resident_bytes()
bench.emit("reload_resident_warm", before / 1024, "KiB after " .. warm .. " rounds")
bench.emit("reload_resident_end", after / 1024, "KiB after " .. n .. " rounds")
bench.emit("reload_growth", (after - before) / (n - warm), "bytes/round")
bench.emit("reload_retired_worst", retired_worst, "versions in use")
bench.emit("reload_cpu", (os.clock() - started) / (n - warm) * 1e3, "ms_cpu/round")
edited.remove()
bench.check("reload_resident", (after - before) / 1024, GROWTH_BOUND_KIB, "KiB of growth")
hive.shutdown()
