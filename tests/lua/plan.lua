-- The plan of the chaos test: it follows from the seed, on every machine and with every run.

local check = require "check"
local plan = require "chaos.plan"

local equal, test = check.equal, check.test

test("one seed gives one plan, and another one another", function()
  equal(plan.digest(20261122, 1000), plan.digest(20261122, 1000))
  equal(plan.digest(20261122, 1000) ~= plan.digest(20261123, 1000), true)
  equal(plan.digest(20261122, 1000) ~= plan.digest(20261122, 999), true)
  -- As a run on another machine has printed it.
  equal(plan.digest(20261122, 1000), "daf3597313e3")
end)
