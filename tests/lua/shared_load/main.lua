-- Many services on one dictionary: each verifies its own keys, all of them together change keys
-- that belong to nobody; in the end every sum must be right and nothing be left but what lives.
--
--   moonhive run --threads 2 --path tests/lua shared_load.main NAME SECONDS SERVICES SEED
--
-- The dictionary stays, empty, so that others can look into it: `moonhive shm check NAME`.

local check = require "check"
local common = require "shared_load.common"
local hive = require "hive"
local shared = require "shared"

local name, seconds, services, seed = ...
seconds, services, seed = tonumber(seconds), tonumber(services), tonumber(seed)
-- Twice what the keys of a service need, so that nothing has to go.
local BYTES_PER_SERVICE = 32 << 10
local LEAST_BYTES = 2 << 20
-- From here on figures of the first minute can be compared with those of the last.
local LONG_SECONDS = 300
local SAMPLE_SECONDS = 60
local SAMPLES_SHORT = 5
-- Memory of the host beyond the dictionary, and bytes of the dictionary, after the first minute.
local GROWTH_MOST_MIB = 16
local GROWTH_MOST_OF_USED = 1.25
-- What the same entries may take when they lie in several pieces.
local PIECES_MOST = 1.25
-- How long the services may take to end when time is over.
local PATIENCE = 60

local size = math.max(LEAST_BYTES, services * BYTES_PER_SERVICE)
local dict = shared.create(name, { size = size })
common.prepare(dict)

-- Memory that belongs to this process alone, in MiB.
local function own_mib()
  local file <close> = assert(io.open "/proc/self/status")
  return tonumber(file:read("a"):match "RssAnon:%s*(%d+)") / 1024
end

-- Nothing wrong in the dictionary, and nobody had to go.
local function inspect()
  check.equal(table.concat(dict:check(), "\n"), "")
  local stats = dict:stats()
  check.equal(stats.evictions, 0)
  check.equal(stats.refusals, 0)
  check.equal(stats.repairs, 0)
  return stats
end

local samples = {}

local function sample(began)
  local stats = inspect()
  local now = { mib = own_mib(), used = stats.used_bytes }
  samples[#samples + 1] = now
  local text = "%.0f s: %.1f MiB of its own, %d KiB in %d entries and %d elements, %d writes"
  local kib = stats.used_bytes >> 10
  local elapsed = hive.now() - began
  print(text:format(elapsed, now.mib, kib, stats.entries, stats.elements, stats.writes))
end

local function verify_no_growth()
  local first = samples[1]
  for _, later in ipairs(samples) do
    assert(later.mib - first.mib < GROWTH_MOST_MIB, "memory grows")
    assert(later.used < first.used * GROWTH_MOST_OF_USED, "the dictionary grows")
  end
end

-- Copies what lives; the bytes that the copy takes.
local function copied()
  local copy = shared.create(name .. ".copy", { size = size })
  shared.unlink(name .. ".copy")
  for key, value, flags in dict:items() do
    if flags == "list" then
      for _, element in ipairs(value) do
        assert(copy:rpush(key, element, {}))
      end
    else
      assert(copy:set(key, value, 0, flags))
    end
  end
  return copy:stats()
end

-- What is used is hardly more than in a dictionary that never held anything else: entries that lie
-- in several pieces take a little more. And without any key nothing at all is used.
local function verify_only_life_is_left()
  dict:flush_expired()
  local stats, fresh = inspect(), copied()
  check.equal(stats.entries, fresh.entries)
  check.equal(stats.elements, fresh.elements)
  assert(stats.used_bytes < fresh.used_bytes * PIECES_MOST, "more is used than lives")
  for key in dict:keys() do
    dict:delete(key)
  end
  -- What long lists took is given back later.
  dict:flush_expired()
  local rest = inspect()
  check.equal(rest.entries, 0)
  check.equal(rest.elements, 0)
  check.equal(rest.used_bytes, 0)
  return stats, fresh
end

print(("seed %d, %d services, %d s, %d KiB"):format(seed, services, seconds, size >> 10))
local workers, calls = {}, {}
for number = 1, services do
  workers[number] = hive.spawn("shared_load.worker", name, number, seed, services)
  calls[number] = { workers[number], "run", seconds }
end
local began = hive.now()
local interval = seconds >= LONG_SECONDS and SAMPLE_SECONDS or seconds / SAMPLES_SHORT
local failure
local watch = hive.every(interval, function()
  local ok, err = xpcall(sample, debug.traceback, began)
  failure = failure or not ok and err
end)
print "running"
local accounts, errors = hive.gather(calls, seconds + PATIENCE)
watch:cancel()
for number, err in pairs(errors or {}) do
  error(("seed %d, service %d: %s"):format(seed, number, err))
end
assert(not failure, failure)
sample(began)

local total = common.new_account()
for _, answer in pairs(accounts) do
  common.add(total, answer[1])
end
common.verify(dict, total)
common.wait_for_ends(dict)
local stats, fresh = verify_only_life_is_left()
if seconds >= LONG_SECONDS then
  verify_no_growth()
end
local texts = {}
for operation, count in pairs(total.operations) do
  texts[#texts + 1] = ("%s %d"):format(operation, count)
end
table.sort(texts)
print("operations: " .. table.concat(texts, ", "))
local text = "%d operations, %d expired entries given back, %d waits for a lock"
print(text:format(total.count, stats.expiries, stats.lock_waits))
print(("%d KiB used, %d in a copy"):format(stats.used_bytes >> 10, fresh.used_bytes >> 10))
os.exit(0)
