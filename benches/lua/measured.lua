-- What `benches/services.rs` measures: each method does something `n` times and answers when all of
-- it is done.

local bench = require "bench"
local edited = require "edited"
local hive = require "hive"

-- One-way messages between two calls, so that queues stay short.
local BATCH = 1000

local peer = hive.spawn "peer"
local lasting
local round = 0

return {
  calls = function(n, in_flight)
    bench.all(in_flight, function(task)
      for i = task, n, in_flight do
        assert(peer:add(i) == i + 1, "wrong answer")
      end
    end)
  end,
  sends = function(n)
    for i = 1, n do
      hive.send(peer, "count", i)
      if i % BATCH == 0 then
        peer:received()
      end
    end
    peer:received()
  end,
  spawns = function(n, name)
    for _ = 1, n do
      hive.kill(hive.spawn(name))
    end
  end,
  reloads = function(n)
    if not lasting then
      edited.write(round)
      lasting = { edited.spawn(), edited.spawn() }
    end
    for _ = 1, n do
      round = round + 1
      edited.round(round, lasting)
    end
  end,
  clean = edited.remove,
}
