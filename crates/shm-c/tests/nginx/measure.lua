-- Loops over a dictionary, timed by the CPU clock of the worker; for the comparison in benches.
-- The answer: CPU seconds, begin and end by the clock that all processes share, the worker.

local ffi = require("ffi")

ffi.cdef([[
typedef struct { long seconds, nanoseconds; } moonhive_time;
int clock_gettime(int clock, moonhive_time *time);
]])

local CPU_TIME_OF_THREAD = 3
local KEYS = 10000
local SECOND_NS = ffi.new("int64_t", 1e9)

local keys = {}
for index = 1, KEYS do
  keys[index] = ("key:%012d"):format(index)
end

local function cpu_seconds()
  local time = ffi.new("moonhive_time")
  ffi.C.clock_gettime(CPU_TIME_OF_THREAD, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local loops = {}

function loops.fill(dict)
  for index = 1, KEYS do
    assert(dict:set(keys[index], "0123456789abcdef"))
  end
  dict:set("hot", "0123456789abcdef")
  dict:set("number", 0)
end

-- Keys in an order that no cache foresees: a step that has no divisor in common with their number.
function loops.get(dict, times)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:get(keys[at + 1])
  end
end

function loops.hot(dict, times)
  for _ = 1, times do
    dict:get("hot")
  end
end

function loops.set(dict, times)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:set(keys[at + 1], "fedcba9876543210")
  end
end

function loops.incr(dict, times)
  for _ = 1, times do
    dict:incr("number", 1)
  end
end

function loops.push_pop(dict, times)
  for _ = 1, times do
    dict:lpush("queue", "0123456789abcdef")
    dict:rpop("queue")
  end
end

return function(dict, what, times)
  local began, begin = cpu_seconds(), ffi.new("moonhive_time")
  ffi.C.clock_gettime(1, begin)
  loops[what](dict, times)
  local finish = ffi.new("moonhive_time")
  local took = cpu_seconds() - began
  ffi.C.clock_gettime(1, finish)
  local function ns(time)
    return tostring(time.seconds * SECOND_NS + time.nanoseconds):gsub("LL$", "")
  end
  return ("%.9f %s %s %d"):format(took, (ns(begin)), (ns(finish)), ngx.worker.pid())
end
