-- What the benchmark services share: sizes, clocks, resident memory, results as `name=value unit`.

local hive = require "hive"

local bench = {}

-- The number of operations: `default`, or what `--set bench_n=N` says.
function bench.count(default)
  return math.tointeger(tonumber(hive.env "bench_n")) or default
end

-- Resident memory of the process, in bytes.
function bench.resident_bytes()
  local file <close> = assert(io.open "/proc/self/statm")
  local _, pages = file:read("n", "n")
  return pages * 4096
end

-- Prints one result.
function bench.emit(name, value, unit)
  local format = value >= 100 and "%s=%.1f %s" or "%s=%.4f %s"
  print(format:format(name, value, unit))
end

-- Runs `work(n)` and prints its rate and the processor time of the whole process per operation.
function bench.measure(name, n, work)
  local wall, cpu = hive.now(), os.clock()
  work(n)
  wall, cpu = hive.now() - wall, os.clock() - cpu
  bench.emit(name .. "_cpu", cpu / n * 1e6, "us_cpu/operation")
  bench.emit(name .. "_rate", n / wall, "operations/s")
end

-- Runs `tasks` tasks at once and waits for all of them.
function bench.all(tasks, body)
  local left, done = tasks, {}
  for i = 1, tasks do
    hive.fork(function()
      body(i)
      left = left - 1
      if left == 0 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
end

return bench
