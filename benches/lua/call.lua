-- Request and response between two services: one at a time, 64 in flight, and 100 pairs at once.

local bench = require "bench"
local hive = require "hive"

local PAIRS = 100

local function calls(peer, in_flight)
  return function(n)
    bench.all(in_flight, function()
      for i = 1, n // in_flight do
        if peer:add(i) ~= i + 1 then
          error "wrong answer"
        end
      end
    end)
  end
end

local n = bench.count(200000)
local peer = hive.spawn "peer"
calls(peer, 1)(20000)
bench.measure("call_sequential", n, calls(peer, 1))
bench.measure("call_64_in_flight", n * 2, calls(peer, 64))

local callers = {}
for i = 1, PAIRS do
  callers[i] = hive.spawn "caller"
end
bench.measure("call_100_pairs", n * 2, function(total)
  bench.all(PAIRS, function(i)
    callers[i]:run(total // PAIRS)
  end)
end)
hive.shutdown()
