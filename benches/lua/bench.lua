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

-- Raises if a figure is above its bound and the benchmark was run to check that (`--check`).
function bench.check(name, value, bound, unit)
  if hive.env "bench_check" and value > bound then
    error(("%s: %.1f %s, which is more than %.1f"):format(name, value, unit, bound), 0)
  end
end

-- Runs `work(n)` and prints its rate and the processor time of the whole process per operation.
function bench.measure(name, n, work)
  local wall, cpu = hive.now(), os.clock()
  work(n)
  wall, cpu = hive.now() - wall, os.clock() - cpu
  bench.emit(name .. "_cpu", cpu / n * 1e6, "us_cpu/operation")
  bench.emit(name .. "_rate", n / wall, "operations/s")
end

-- Runs `begin(i, done)` for each number up to `count`, and waits until every `done` was called.
local function wait_for(count, begin)
  local left, token = count, {}
  local function done()
    left = left - 1
    if left == 0 then
      hive.wakeup(token)
    end
  end
  for i = 1, count do
    begin(i, done)
  end
  hive.wait(token)
end

-- Runs `tasks` tasks at once and waits for all of them.
function bench.all(tasks, body)
  wait_for(tasks, function(i, done)
    hive.fork(function()
      body(i)
      done()
    end)
  end)
end

-- Starts `n` services of a name and kills them again: what each costs, and what is left of them.
-- `label` stands in the names of the results.
function bench.lives(label, service, n)
  hive.kill(hive.spawn(service))
  collectgarbage()
  local services = {}
  local before = bench.resident_bytes()
  bench.measure("spawn_" .. label, n, function()
    for i = 1, n do
      services[i] = hive.spawn(service)
    end
  end)
  local resident = (bench.resident_bytes() - before) / n
  bench.emit("spawn_" .. label .. "_resident", resident / 1024, "KiB/service")
  local lua = 0
  for i = 1, n do
    lua = lua + services[i]:memory()
  end
  bench.emit("spawn_" .. label .. "_lua", lua / n / 1024, "KiB/service")
  bench.measure("kill_" .. label, n, function()
    wait_for(n, function(i, done)
      hive.monitor(services[i], done)
      hive.kill(services[i])
    end)
  end)
  hive.sleep(1)
  local left = bench.resident_bytes() - before
  bench.emit("kill_" .. label .. "_left", left / 1048576, "MiB after a second")
end

return bench
