-- Keys that all services change, and the account of what each has done to them: the sums of all
-- accounts must be what the dictionary holds.

local check = require "check"
local hive = require "hive"

local common = {}

local COUNTERS, UPDATED, ITEMS, QUEUES, LEASES, FIXED = 16, 16, 256, 8, 32, 64
local QUEUE_MOST = 200
local LEASE_SECONDS = 0.05
-- Elements of one service differ from those of any other.
local ELEMENTS_PER_SERVICE = 1 << 32

local equal = check.equal

local function fixed_value(i)
  return ("fixed %d"):format(i)
end

-- Keys that nobody changes: every walk meets them.
function common.prepare(dict)
  for i = 1, FIXED do
    assert(dict:set("fixed:" .. i, fixed_value(i)))
  end
end

function common.walk(dict)
  local met = 0
  for key, value in dict:items { prefix = "fixed:" } do
    equal(value, fixed_value(tonumber(key:match "%d+$")))
    met = met + 1
  end
  equal(met, FIXED)
end

function common.new_account()
  return {
    count = 0,
    operations = {},
    counters = {},
    updated = {},
    wide = 0,
    pushed = { count = 0, sum = 0 },
    popped = { count = 0, sum = 0 },
  }
end

-- Adds an account to the total, field by field.
function common.add(total, account)
  for field, value in pairs(account) do
    if type(value) == "table" then
      total[field] = total[field] or {}
      common.add(total[field], value)
    else
      total[field] = (total[field] or 0) + value
    end
  end
end

local function note(account, list, key, n)
  account[list][key] = (account[list][key] or 0) + n
end

local function note_element(tally, element)
  tally.count, tally.sum = tally.count + 1, tally.sum + element
end

-- Plain values of which a reader can tell that they are whole and belong to their key.
local function entries(dict, random)
  local operations = {}

  function operations.set_common()
    local key = "item:" .. random(ITEMS)
    local text = ("%s=%d;"):format(key, random(1000)):rep(random(30))
    equal(dict:set(key, text), true)
  end

  function operations.get_common()
    local key = "item:" .. random(ITEMS)
    local text = dict:get(key)
    local first = text and text:match "^[^;]*;"
    if text then
      equal(first:match "^[^=]*", key)
      equal(text, first:rep(#text // #first))
    end
  end

  function operations.delete_common()
    equal(dict:delete("item:" .. random(ITEMS)), true)
  end

  return operations
end

local function counts(dict, random, account)
  local operations, wide = {}, dict:counter "wide"

  function operations.incr_common()
    local key, n = "count:" .. random(COUNTERS), random(5)
    assert(dict:incr(key, n, 0))
    note(account, "counters", key, n)
  end

  function operations.incr_wide()
    wide:add(1)
    account.wide = account.wide + 1
  end

  function operations.update_common()
    local key = "updated:" .. random(UPDATED)
    local stored, reason = dict:update(key, function(value)
      return (value or 0) + 1
    end)
    assert(stored, reason)
    note(account, "updated", key, 1)
  end

  return operations
end

local function queues(dict, number, random, account)
  local operations, serial = {}, number * ELEMENTS_PER_SERVICE

  function operations.push_common()
    local key = "queue:" .. random(QUEUES)
    if dict:llen(key) >= QUEUE_MOST then
      return
    end
    serial = serial + 1
    assert(dict:rpush(key, serial))
    note_element(account.pushed, serial)
  end

  function operations.pop_common()
    local element = dict:lpop("queue:" .. random(QUEUES))
    if element then
      note_element(account.popped, element)
    end
  end

  return operations
end

local function leases(dict, number, random)
  local operations = {}

  function operations.lease_common()
    local key = "lease:" .. random(LEASES)
    local ok, reason = dict:add(key, number, LEASE_SECONDS)
    assert(ok or reason == "exists", reason)
    local left = dict:ttl(key)
    assert(not left or left <= LEASE_SECONDS, left)
    dict:expire(key, LEASE_SECONDS)
    local holder = dict:get(key)
    assert(holder == nil or math.type(holder) == "integer", holder)
  end

  return operations
end

-- Operations of one service by name; what they do is noted in the account.
function common.new(dict, number, random, account)
  local operations = {}
  local groups = {
    entries(dict, random),
    counts(dict, random, account),
    queues(dict, number, random, account),
    leases(dict, number, random),
  }
  for _, group in ipairs(groups) do
    for name, act in pairs(group) do
      operations[name] = act
    end
  end
  return { operations = operations }
end

-- Compares the dictionary with the sum of all accounts.
function common.verify(dict, total)
  for key, sum in pairs(total.counters) do
    equal(dict:get(key), sum)
  end
  for key, sum in pairs(total.updated) do
    equal(dict:get(key), sum)
  end
  equal(dict:counter("wide"):read(), total.wide)
  local left = { count = 0, sum = 0 }
  for i = 1, QUEUES do
    for _, element in ipairs(dict:lrange("queue:" .. i)) do
      note_element(left, element)
    end
  end
  equal(left.count, total.pushed.count - total.popped.count)
  equal(left.sum, total.pushed.sum - total.popped.sum)
end

-- Waits until every key that ends has ended.
function common.wait_for_ends(dict)
  local function lives()
    return dict:keys { prefix = "lease:" }() or dict:keys { prefix = "brief:" }()
  end
  while lives() do
    hive.sleep(0.01)
  end
end

return common
