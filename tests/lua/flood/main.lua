-- A thousand callers flood one slow service: its mailbox stays within its limit, and others are
-- served as before.
--
--   moonhive run --path tests/lua flood.main SECONDS CALLERS

local hive = require "hive"

local seconds, callers = ...
seconds, callers = tonumber(seconds), tonumber(callers)
local LIMIT = 500
local LONG_SECONDS = 60
-- Requests that two bystanders exchange for one sample.
local ROUNDS = 20
-- Work of one request to the slow service, in turns of a loop.
local COST = 50000

local function resident_mib()
  local file <close> = assert(io.open "/proc/self/statm")
  local pages = file:read("a"):match "^%d+ (%d+)"
  return tonumber(pages) / 256
end

-- Microseconds of a call between this service and a bystander: the median and the 99th percentile.
local function latency(bystander, duration)
  local samples, deadline = {}, hive.now() + duration
  while hive.now() < deadline do
    local began = hive.now()
    for i = 1, ROUNDS do
      assert(bystander:echo(i) == i)
    end
    samples[#samples + 1] = (hive.now() - began) / ROUNDS * 1e6
    hive.sleep(0.001)
  end
  table.sort(samples)
  return samples[#samples // 2 + 1], samples[#samples * 99 // 100 + 1], #samples
end

local slow = hive.spawn({ "flood.slow", mailbox_limit = LIMIT }, COST)
local bystander = hive.spawn("flood.slow", COST)
local flooding = {}
for i = 1, callers do
  flooding[i] = hive.spawn("flood.caller", slow)
end
-- Unloaded: one caller has the slow service for itself, so both workers are in use anyway.
local quiet = hive.now() + math.max(seconds / 4, 1)
hive.send(flooding[1], "flood", quiet)
local before_p50, before_p99 = latency(bystander, quiet - hive.now())

local deadline = hive.now() + seconds
for _, caller in ipairs(flooding) do
  hive.send(caller, "flood", deadline)
end
local before_mib, most, oldest = resident_mib(), 0, 0
local watch = hive.every(0.01, function()
  local stats = hive.stats(slow)
  most, oldest = math.max(most, stats.mailbox), math.max(oldest, stats.mailbox_age)
end)
local p50, p99, samples = latency(bystander, deadline - hive.now())
watch:cancel()
local after_mib = resident_mib()
local refused = hive.stats(slow).refused

local outcomes, open = {}, {}
for i, caller in ipairs(flooding) do
  open[i] = { caller, "outcomes" }
end
for _, answer in pairs((hive.gather(open, 60))) do
  for outcome, count in pairs(answer[1]) do
    outcomes[outcome] = (outcomes[outcome] or 0) + count
  end
end
local texts = {}
for outcome, count in pairs(outcomes) do
  texts[#texts + 1] = ("%s %d"):format(outcome, count)
end
table.sort(texts)

print(("bystander: p50 %.1f us, p99 %.1f us before"):format(before_p50, before_p99))
print(("bystander: p50 %.1f us, p99 %.1f us, %d samples in the flood"):format(p50, p99, samples))
print(("mailbox: %d at most, limit %d, %d refused"):format(most, LIMIT, refused))
print(("oldest message: %.2f s at most"):format(oldest))
print(("memory: %.0f MiB before, %.0f MiB after"):format(before_mib, after_mib))
print("calls: " .. table.concat(texts, ", "))
assert(most <= LIMIT, "the mailbox grows beyond its limit")
assert(refused > 0 and outcomes.overload > 0 and outcomes.answer > 0)
assert(after_mib - before_mib < 64, "memory grows")
-- A short run on a busy machine says little about time.
local is_long = seconds >= LONG_SECONDS
assert(p50 <= (is_long and 2 * before_p50 or 1e5), "others are served more slowly")
assert(p99 <= (is_long and 2 * before_p99 or 1e6), "some of others' calls take much longer")
os.exit(0)
