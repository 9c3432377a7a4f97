-- A loop over a dictionary, timed by the CPU clock of the worker; for the comparison in benches.
-- The answer: CPU seconds, begin and end by the clock that all processes share, the worker.

local ffi = require("ffi")
local loops = require("loops")

ffi.cdef([[
typedef struct { long seconds, nanoseconds; } moonhive_time;
int clock_gettime(int clock, moonhive_time *time);
]])

local CPU_TIME_OF_THREAD = 3
local SECOND_NS = ffi.new("int64_t", 1e9)

local function cpu_seconds()
  local time = ffi.new("moonhive_time")
  ffi.C.clock_gettime(CPU_TIME_OF_THREAD, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

return function(dict, what, times)
  local began, begin = cpu_seconds(), ffi.new("moonhive_time")
  ffi.C.clock_gettime(1, begin)
  loops[what](dict, times, ngx.worker.pid())
  local finish = ffi.new("moonhive_time")
  local took = cpu_seconds() - began
  ffi.C.clock_gettime(1, finish)
  local function ns(time)
    return tostring(time.seconds * SECOND_NS + time.nanoseconds):gsub("LL$", "")
  end
  return ("%.9f %s %s %d"):format(took, (ns(begin)), (ns(finish)), ngx.worker.pid())
end
