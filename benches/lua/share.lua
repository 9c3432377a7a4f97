-- Shared tables: what reading costs, a million rows for a thousand services, and ten modules whose
-- data is private in one half of the services and shared in the other.

local bench = require "bench"
local hive = require "hive"

local n = bench.count(1000)
local share = hive.share

-- One service reads both kinds.
local private = { gold = 5, rows = { 1, 2, 3, 4, 5, 6, 7, 8 }, inner = { x = 1 } }
share.publish("small", private)
local reads = 2000000
for name, t in pairs { private = private, shared = share.get "small" } do
  bench.measure("share_read_" .. name, 4 * reads, function()
    local sum = 0
    for i = 1, reads do
      sum = sum + t.gold + t.rows[i & 7 | 1] + t.inner.x
    end
    assert(sum > 0)
  end)
end
bench.measure("share_get", reads, function()
  for _ = 1, reads do
    share.get "small"
  end
end)

-- Resident memory once the allocator has given back what is free, for which it wants to be used.
local function resident_bytes()
  local least, falling = math.huge, 5
  while falling > 0 do
    for _ = 1, 10 do
      hive.kill(hive.spawn "share_reader")
    end
    collectgarbage()
    hive.sleep(0.1)
    local now = bench.resident_bytes()
    falling = now < least - 1048576 and 5 or falling - 1
    least = math.min(least, now)
  end
  return least
end

-- Services that do `method`, and what each of them takes.
local function crowd(label, method, ...)
  local services = {}
  local before, cpu = resident_bytes(), os.clock()
  for i = 1, n do
    services[i] = hive.spawn "share_reader"
    services[i][method](services[i], ...)
  end
  bench.emit(label .. "_spawn_cpu", (os.clock() - cpu) / n * 1e6, "us_cpu/service")
  bench.emit(label .. "_resident", (resident_bytes() - before) / n / 1024, "KiB/service")
  local lua = 0
  for i = 1, n do
    lua = lua + services[i]:memory()
  end
  bench.emit(label .. "_lua", lua / n / 1024, "KiB/service")
  for i = 1, n do
    hive.kill(services[i])
  end
  hive.sleep(1)
end

crowd("share_nothing", "memory")

do
  local before = resident_bytes()
  local publisher = hive.spawn "share_reader"
  bench.emit("share_rows_publish", publisher:publish_rows("rows", 1000000), "s_cpu")
  hive.kill(publisher)
  hive.sleep(1)
  bench.emit("share_rows_resident", (resident_bytes() - before) / 1048576, "MiB")
  local figures = share.stats().tables[1]
  bench.emit("share_rows_size", figures.size_bytes / 1048576, "MiB")
  crowd("share_rows", "sum", "rows", 1000)
  local gone = os.clock()
  share.drop "rows"
  bench.emit("share_rows_drop", os.clock() - gone, "s_cpu")
  bench.emit("share_rows_left", (resident_bytes() - before) / 1048576, "MiB")
end

-- Ten modules of some 40 functions, each over 60 rows of data.
local folder, prefix = os.tmpname():match "^(.*)/([^/]*)$"
local files = {}

local function write(name, text)
  files[#files + 1] = ("%s/%s.lua"):format(folder, name)
  local file <close> = assert(io.open(files[#files], "w"))
  file:write(text)
end

local words = { "gold", "guild", "item", "level", "mail", "quest", "rank", "shop", "skill", "team" }
local names = {}
for m = 1, 10 do
  local data = { "return {" }
  for i = 1, 60 do
    local row = "{ id = %d, name = %q, price = %d, rate = %.3f, tags = { %q, %q } },"
    data[#data + 1] = row:format(
      m * 1000 + i,
      words[i % 10 + 1] .. "_" .. words[i * m % 10 + 1] .. "_" .. i,
      i * 37 % 5000,
      i / 61,
      words[i % 7 + 1],
      words[i % 9 + 1]
    )
  end
  data[#data + 1] = "}"
  names[m] = prefix .. "_m" .. m
  write(names[m] .. "_data", table.concat(data, "\n"))
  local code = { "local data = ...", "local M = {}" }
  for i = 1, 40 do
    code[#code + 1] = ([[
function M.%s_%d(self, n, opt)
  local total = 0
  for i = 1, n do
    local row = data[i %% #data + 1]
    if row.price > %d and opt.%s then
      total = total + row.price * %d
    elseif row.rate < 0.5 then
      total = total - row.id %% %d
    end
  end
  self.%s = total
  return total, %q
end]]):format(
      words[i % 10 + 1],
      i,
      i * 50,
      words[i % 9 + 1],
      i,
      i + 1,
      words[i % 8 + 1],
      "m" .. i
    )
  end
  code[#code + 1] = "return M"
  write(names[m], table.concat(code, "\n"))
end
crowd("share_modules_shared", "load", folder, names, true)
crowd("share_modules_private", "load", folder, names, false)
for _, file in ipairs(files) do
  os.remove(file)
end
os.remove(folder .. "/" .. prefix)
hive.shutdown()
