-- Services that are killed, fail, run out of time and are reloaded by a seeded plan, while others
-- call them: every call must end exactly once, nothing may hang, nothing may be left.
--
--   moonhive run --path tests/lua chaos.main SECONDS SERVICES SEED

local cache = require "cache"
local check = require "check"
local hive = require "hive"
local plan = require "chaos.plan"

local seconds, services, seed = ...
seconds, services, seed = tonumber(seconds), tonumber(services), tonumber(seed)
local DRIVERS, TASKS = 8, 25
-- Between two faults.
local FAULT_SECONDS = 0.05
-- Services grow until they have met every kind of call, which takes most of a short run.
local LONG_SECONDS = 60
-- How long calls may take to end when the plan is over.
local PATIENCE = 60

print(("seed %d, plan %s"):format(seed, plan.digest(seed, services)))

-- Resident memory of the process in MiB.
local function resident_mib()
  local file <close> = assert(io.open "/proc/self/statm")
  local pages = file:read("a"):match "^%d+ (%d+)"
  return tonumber(pages) / 256
end

local slots, is_ending, ends = {}, false, {}
local module_file, reloads = assert(package.searchpath("chaos.module", package.path)), 0

local function fill(slot)
  local spawn = { "chaos.worker", register = "slot-" .. slot, memory_limit = 4 << 20 }
  local ok, service = pcall(hive.spawn, spawn)
  if not ok then
    hive.log.error("a service cannot be started again:", service)
    return
  end
  if is_ending then
    hive.kill(service)
  end
  slots[slot] = service
  hive.monitor(service, function(_, ended)
    ends[ended.code] = (ends[ended.code] or 0) + 1
    if not is_ending then
      fill(slot)
    end
  end)
end

local faults = {
  kill = function(service)
    hive.kill(service, "as planned")
  end,
  stop = function(service)
    hive.stop(service, "as planned")
  end,
  fail = function(service)
    pcall(hive.send, service, "die")
  end,
  hog = function(service)
    pcall(hive.send, service, "hog")
  end,
  reload = function()
    local version, problem = cache.reload(module_file)
    reloads = reloads + 1
    assert(version, problem)
  end,
  clear = function()
    cache.clear()
  end,
  link = function(service, other)
    pcall(hive.send, service, "link", other)
  end,
}

-- The faults of the plan, one every few milliseconds: as many for one length on every machine.
local function disturb(count)
  local next_fault, began = plan.faults(seed, services), hive.now()
  for i = 1, count do
    local kind, target, other = next_fault()
    faults[kind](slots[target], slots[other])
    hive.sleep(math.max(0, began + i * FAULT_SECONDS - hive.now()))
  end
end

for slot = 1, services do
  fill(slot)
end
local drivers, calls = {}, {}
for i = 1, DRIVERS do
  drivers[i] = hive.spawn "chaos.driver"
  calls[i] = { drivers[i], "run", i * 1000, TASKS, seconds, services, seed }
end
local settled_mib
hive.after(seconds / 2, function()
  settled_mib = resident_mib()
end)
local fault_count = math.floor(seconds / FAULT_SECONDS)
local is_disturbed = false
hive.fork(function()
  disturb(fault_count)
  is_disturbed = true
end)

local total = { begun = 0, ended = 0, absent = 0, outcomes = {} }
local accounts, errors = hive.gather(calls, seconds + PATIENCE)
for i, err in pairs(errors or {}) do
  local hanging = table.concat(drivers[i]:open(), ", ")
  error(("driver %d: %s; calls that do not end: %s"):format(i, err, hanging))
end
for _, answer in pairs(accounts) do
  local account = answer[1]
  check.equal(table.concat(account.wrong, "\n"), "")
  check.equal(account.begun, account.ended)
  for _, field in ipairs { "begun", "ended", "absent" } do
    total[field] = total[field] + account[field]
  end
  for outcome, count in pairs(account.outcomes) do
    total.outcomes[outcome] = (total.outcomes[outcome] or 0) + count
  end
end
local final_mib = resident_mib()
while not is_disturbed do
  hive.sleep(0.01)
end

-- Everything ends, and nothing is left of it.
is_ending = true
for _, service in pairs(slots) do
  hive.kill(service)
end
for _, driver in pairs(drivers) do
  hive.kill(driver)
end
local function is_clean()
  return hive.stats().services <= 1
end
for _ = 1, 1000 do
  if is_clean() then
    break
  end
  hive.sleep(0.01)
end
check.equal(hive.stats().services, 1)

local function list(counts)
  local texts = {}
  for name, count in pairs(counts) do
    texts[#texts + 1] = ("%s %d"):format(name, count)
  end
  table.sort(texts)
  return table.concat(texts, ", ")
end

print(("calls: %d begun, %d ended: %s"):format(total.begun, total.ended, list(total.outcomes)))
print(("services: %d faults, %d reloads, ended: %s"):format(fault_count, reloads, list(ends)))
print(
  ("resident: %.0f MiB after half of the time, %.0f MiB at the end"):format(settled_mib, final_mib)
)
-- Allocators keep some of what was freed; a leak of 100 bytes a call would be more.
assert(seconds < LONG_SECONDS or final_mib - settled_mib < 64, "memory grows")
assert(total.outcomes.answer > 0 and total.outcomes.dead > 0 and total.outcomes.timeout > 0)
