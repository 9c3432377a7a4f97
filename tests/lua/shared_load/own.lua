-- Keys that one service has for itself, beside a model of them: no result may differ from the
-- model's.

local check = require "check"
local hive = require "hive"

local own = {}

local KEYS, BRIEF_KEYS = 8, 4
local LIST_MOST = 20
local LONG_TTL = 1000
-- Lives are kept in milliseconds, so an end is known to one only.
local CLOCK_STEP = 0.002

local equal = check.equal

local function random_value(random)
  local kind = random(8)
  if kind == 1 then
    return random(1 << 40)
  elseif kind == 2 then
    return random(1000) / 8
  elseif kind == 3 then
    return random(2) == 1
  elseif kind == 4 then
    return { number = random(1000), text = ("t"):rep(random(50)), list = { 1, 2, random(9) } }
  end
  return ("%d,"):format(random(1000)):rep(random(100))
end

local function same(found, expected)
  if type(expected) ~= "table" then
    equal(found, expected)
    equal(math.type(found), math.type(expected))
    return
  end
  for field, value in pairs(expected) do
    same(found[field], value)
  end
  for field in pairs(found) do
    assert(expected[field] ~= nil, field)
  end
end

-- Operations on keys that last; `held` is what they have.
local function lasting(dict, number, random, held)
  local old_version = {}
  local operations = {}

  local function some_key()
    return ("own:%d:%d"):format(number, random(KEYS))
  end

  -- A value that is stored by `store`, which must answer as the model says.
  local function try(key, is_expected, reason, store)
    local new = { value = random_value(random), flags = random(3) - 1 }
    local ok, why, forcible = store(dict, key, new.value, 0, new.flags)
    equal(ok, is_expected)
    equal(why, not is_expected and reason or nil)
    equal(forcible, false)
    if is_expected then
      held[key] = new
    end
  end

  local function compare(key)
    local value, flags = dict:get(key)
    local expected = held[key]
    same(value, expected and expected.value)
    equal(flags or 0, expected and expected.flags or 0)
  end

  function operations.get()
    compare(some_key())
  end

  function operations.set()
    local key = some_key()
    try(key, true, nil, dict.set)
    compare(key)
  end

  function operations.add()
    local key = some_key()
    try(key, not held[key], "exists", dict.add)
  end

  function operations.replace()
    local key = some_key()
    try(key, held[key] ~= nil, "not found", dict.replace)
  end

  function operations.delete()
    local key = some_key()
    equal(dict:delete(key), true)
    held[key] = nil
    equal(dict:version(key), nil)
  end

  -- An old version is refused, the right one is not.
  function operations.cas()
    local key, new = some_key(), random_value(random)
    local value, version = dict:get_versioned(key)
    same(value, held[key] and held[key].value)
    if old_version[key] and old_version[key] ~= version then
      local stored, reason, current = dict:cas(key, old_version[key], new)
      equal(stored, nil)
      equal(reason, version and "changed" or "not found")
      equal(current, version)
    end
    local stored = dict:cas(key, version, new)
    assert(math.type(stored) == "integer", stored)
    assert(not version or stored ~= version)
    old_version[key] = version or stored
    held[key] = { value = new, flags = 0 }
  end

  function operations.expire()
    local key = some_key()
    local ok, reason = dict:expire(key, LONG_TTL)
    if not held[key] then
      equal(reason, "not found")
      return
    end
    equal(ok, true)
    local left = dict:ttl(key)
    assert(left > 0 and left <= LONG_TTL, left)
    equal(dict:expire(key, 0), true)
    equal(dict:ttl(key), 0)
    compare(key)
  end

  return operations, compare
end

-- A counter and a list.
local function counting(dict, number, random)
  local sum_key, list_key = "sum:" .. number, "list:" .. number
  local sum, list = nil, {}
  local operations = {}

  function operations.incr()
    local n = random(1000) - 500
    sum = (sum or 0) + n
    equal(dict:incr(sum_key, n, 0), sum)
  end

  function operations.push()
    if #list >= LIST_MOST then
      return
    end
    local value, is_left = random_value(random), random(2) == 1
    local push = is_left and dict.lpush or dict.rpush
    equal(push(dict, list_key, value, {}), #list + 1)
    table.insert(list, is_left and 1 or #list + 1, value)
  end

  function operations.pop()
    local is_left = random(2) == 1
    local value = (is_left and dict.lpop or dict.rpop)(dict, list_key)
    same(value, table.remove(list, is_left and 1 or #list))
    equal(dict:llen(list_key), #list)
  end

  local function verify()
    equal(dict:get(sum_key), sum)
    local found = dict:lrange(list_key)
    equal(#found, #list)
    for i, value in ipairs(list) do
      same(found[i], value)
    end
  end

  return operations, verify
end

-- Keys that end: each lives surely until one moment and surely not after another.
local function brief(dict, number, random)
  local lives = {}
  local operations = {}

  local function some_key()
    return ("brief:%d:%d"):format(number, random(BRIEF_KEYS))
  end

  -- Calls `act`; then if the key lived all the time, if it did not, and the results.
  local function around(key, act, ...)
    local began, life = hive.now(), lives[key]
    local results = table.pack(act(dict, key, ...))
    local lived = life and hive.now() < life.least - CLOCK_STEP
    local was_over = not life or began > life.most + CLOCK_STEP
    return lived, was_over, table.unpack(results, 1, results.n)
  end

  local function begin(key, store, value)
    local ttl, began = random(50) / 1000, hive.now()
    local lived, was_over, ok = around(key, store, value, ttl)
    if ok then
      lives[key] = { value = value, least = began + ttl, most = hive.now() + ttl }
    end
    return lived, was_over, ok
  end

  function operations.set_ttl()
    local _, _, ok = begin(some_key(), dict.set, random_value(random))
    equal(ok, true)
  end

  function operations.add_ttl()
    local lived, was_over, ok = begin(some_key(), dict.add, random_value(random))
    assert(not (lived and ok), "what lives was replaced")
    assert(not was_over or ok, "what has ended was still there")
  end

  function operations.get_ttl()
    local key = some_key()
    local lived, was_over, value = around(key, dict.get)
    if value ~= nil then
      assert(not was_over, "what has ended was read")
      same(value, lives[key].value)
    end
    assert(not lived or value ~= nil, "what lives was not found")
  end

  function operations.expire_ttl()
    local key, ttl, began = some_key(), random(50) / 1000, hive.now()
    local lived, was_over, ok = around(key, dict.expire, ttl)
    assert(not lived or ok, "what lives was not found")
    assert(not was_over or not ok, "what has ended came back")
    if ok then
      lives[key].least, lives[key].most = began + ttl, hive.now() + ttl
    end
  end

  return operations
end

-- Operations of one service by name, a comparison of everything, and a walk over its keys.
function own.new(dict, number, random)
  local held = {}
  local operations, compare = lasting(dict, number, random, held)
  local counts, verify_counts = counting(dict, number, random)
  for _, more in ipairs { counts, brief(dict, number, random) } do
    for name, act in pairs(more) do
      operations[name] = act
    end
  end

  local function verify()
    for i = 1, KEYS do
      compare(("own:%d:%d"):format(number, i))
    end
    verify_counts()
  end

  -- Every key is met once, and no other.
  local function walk()
    local met = {}
    for key in dict:keys { prefix = ("own:%d:"):format(number) } do
      assert(held[key] and not met[key], key)
      met[key] = true
    end
    for key in pairs(held) do
      assert(met[key], key)
    end
  end

  return { operations = operations, verify = verify, walk = walk }
end

return own
