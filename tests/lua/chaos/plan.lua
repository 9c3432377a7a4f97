-- The plan of a run: which call comes next, and what happens to which service. It follows from the
-- seed alone; when things happen is left to the machine.

local random = require "chaos.random"

-- What may happen, with its weight.
local CALLS = {
  { "echo", 30 },
  { "slow", 15 },
  { "late", 15 },
  { "fail", 8 },
  { "relay", 10 },
  { "relay_late", 5 },
  { "drop", 3 },
  { "later", 5 },
  { "die", 1 },
  { "bloat", 1 },
  { "cancel", 4 },
  { "select", 2 },
  { "gather", 2 },
  { "send", 5 },
}
local FAULTS = {
  { "kill", 40 },
  { "stop", 20 },
  { "fail", 20 },
  { "hog", 1 },
  { "reload", 10 },
  { "clear", 5 },
  { "link", 10 },
}

local function chooser(weights)
  local list = {}
  for _, entry in ipairs(weights) do
    for _ = 1, entry[2] do
      list[#list + 1] = entry[1]
    end
  end
  return function(draw)
    return list[draw(#list)]
  end
end

local choose_call, choose_fault = chooser(CALLS), chooser(FAULTS)

local plan = {}

-- The calls of one task: kind, target, another service, and a number from 1 to 1000.
function plan.calls(seed, task, services)
  local draw = random(seed * 1000003 + task)
  return function()
    return choose_call(draw), draw(services), draw(services), draw(1000)
  end
end

-- The faults of the run: kind, target and another service.
function plan.faults(seed, services)
  local draw = random(seed)
  return function()
    return choose_fault(draw), draw(services), draw(services)
  end
end

-- A text that is the same for the same plan.
function plan.digest(seed, services)
  local sum = 5381
  local function add(...)
    for _, value in ipairs { ... } do
      for byte in tostring(value):gmatch "." do
        sum = (sum * 33 ~ byte:byte()) & 0xffffffffffff
      end
    end
  end
  local faults, calls = plan.faults(seed, services), plan.calls(seed, 1, services)
  for _ = 1, 1000 do
    add(faults())
    add(calls())
  end
  return ("%012x"):format(sum)
end

return plan
