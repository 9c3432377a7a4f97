-- One-way messages: 1 to 1, 100 to 1, 100 to 100.

local bench = require "bench"
local hive = require "hive"

local function run(name, senders, receivers, n, batch)
  local from, to = {}, {}
  for i = 1, receivers do
    to[i] = hive.spawn "peer"
  end
  for i = 1, senders do
    from[i] = hive.spawn "sender"
  end
  local function all(total)
    bench.all(senders, function(i)
      from[i]:run(to[(i - 1) % receivers + 1], total // senders, batch)
    end)
  end
  all(n // 10)
  bench.measure(name, n, all)
  for _, service in ipairs(from) do
    hive.kill(service)
  end
  for _, service in ipairs(to) do
    hive.kill(service)
  end
end

local n = bench.count(1000000)
run("send_1_to_1", 1, 1, n, 1000)
run("send_100_to_1", 100, 1, n, 100)
run("send_100_to_100", 100, 100, n, 1000)
hive.shutdown()
