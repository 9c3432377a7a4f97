-- Rounds of edit, `cache.clear()` and respawn, while two services live on and reload in place.
-- Every round must see its own version, and resident memory must not grow.

local bench = require "bench"
local cache = require "cache"
local hive = require "hive"

local MODULES, FUNCTIONS = 3, 20
-- What resident memory may grow by after the first tenth of the rounds.
local GROWTH_BOUND_KIB = 1024
local n = bench.count(10000)
local warm = n // 10

local folder, prefix = os.tmpname():match "^(.*)/([^/]*)$"
package.path = folder .. "/?.lua"
local names = {}
for i = 1, MODULES do
  names[i] = prefix .. "_m" .. i
end

-- Writes all modules anew; functions and constants are of this round alone.
local function edit(round)
  for i, name in ipairs(names) do
    local lines = { "local M = {}" }
    for at = 1, FUNCTIONS do
      lines[#lines + 1] = ("function M.f%d(a) return a.key_%d_%d .. 'text %d %d' end"):format(
        at,
        round,
        at,
        round,
        at
      )
    end
    lines[#lines + 1] = ("function M.version() return %d end"):format(round + i)
    lines[#lines + 1] = "return M\n"
    local file <close> = assert(io.open(("%s/%s.lua"):format(folder, name), "w"))
    file:write(table.concat(lines, "\n"))
  end
end

local function spawn()
  return hive.spawn("reloader", names, package.path)
end

edit(0)
local lasting = { spawn(), spawn() }
local before, started, retired_worst = nil, nil, 0
for round = 1, n do
  edit(round)
  cache.clear()
  local fresh = spawn()
  local expected = MODULES * round + MODULES * (MODULES + 1) // 2
  for _, service in ipairs { lasting[1], lasting[2], fresh } do
    assert(service:load() == expected, "a service saw another version")
  end
  hive.kill(fresh)
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
for _, name in ipairs(names) do
  os.remove(("%s/%s.lua"):format(folder, name))
end
os.remove(folder .. "/" .. prefix)
bench.check("reload_resident", (after - before) / 1024, GROWTH_BOUND_KIB, "KiB of growth")
hive.shutdown()
