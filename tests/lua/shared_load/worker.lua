-- One of many services on a dictionary: a seeded mixture of operations on its own keys and on those
-- of all, in small portions, so that others have their turns.

local common = require "shared_load.common"
local hive = require "hive"
local own = require "shared_load.own"
local random_from = require "chaos.random"
local shared = require "shared"

local name, number, seed, services = ...
local PORTION = 20
-- A walk costs more the more services there are, and is made more seldom.
local WALK_ONE_IN = 20 * services
local NAP_MOST_MS = 40
-- One service of so many walks once more in the end.
local WALKERS_ONE_IN = 20

local dict = shared.open(name)
local random = random_from(seed * 1000003 + number)
local account = common.new_account()
local keys = own.new(dict, number, random)
local shared_keys = common.new(dict, number, random, account)

local function sorted_names(...)
  local names = {}
  for _, operations in ipairs { ... } do
    for operation in pairs(operations) do
      names[#names + 1] = operation
    end
  end
  -- The order of `pairs` is no part of the seed.
  table.sort(names)
  return names
end

local names = sorted_names(keys.operations, shared_keys.operations)

local function step()
  local operation = names[random(#names)]
  local act = keys.operations[operation] or shared_keys.operations[operation]
  act()
  account.count = account.count + 1
  account.operations[operation] = (account.operations[operation] or 0) + 1
  if random(WALK_ONE_IN) == 1 then
    keys.walk()
    common.walk(dict)
  end
end

return {
  -- Works for some seconds; then what it has done to the keys of all.
  run = function(seconds)
    local deadline = hive.now() + seconds
    while hive.now() < deadline do
      for _ = 1, PORTION do
        step()
      end
      hive.sleep(random(NAP_MOST_MS) / 1000)
    end
    keys.verify()
    if number % WALKERS_ONE_IN == 1 then
      keys.walk()
      common.walk(dict)
    end
    return account
  end,
}
