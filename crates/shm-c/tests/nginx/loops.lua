-- Loops over a dictionary, for the comparison in benches: in nginx's workers and in services.

local KEYS = 10000
local VALUE, OTHER = "0123456789abcdef", "fedcba9876543210"

-- Elements that each of the many lists holds.
local ELEMENTS = 4

local function names(form)
  local list = {}
  for index = 1, KEYS do
    list[index] = form:format(index)
  end
  return list
end

local keys, counters, queues = names "key:%012d", names "count:%010d", names "queue:%010d"

-- Each takes the dictionary, the number of turns, and what tells this worker from others.
local loops = {}

function loops.fill(dict)
  for index = 1, KEYS do
    assert(dict:set(keys[index], VALUE))
    assert(dict:set(counters[index], 0))
    for _ = 1, ELEMENTS do
      assert(dict:lpush(queues[index], VALUE))
    end
  end
  dict:set("hot", VALUE)
  dict:set("number", 0)
end

-- Keys in an order that no cache foresees: a step that has no divisor in common with their number.
function loops.get(dict, times)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:get(keys[at + 1])
  end
end

function loops.hot(dict, times)
  for _ = 1, times do
    dict:get("hot")
  end
end

local function set(dict, times, to)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:set(to[at + 1], OTHER)
  end
end

function loops.set(dict, times)
  set(dict, times, keys)
end

local own_keys

-- (The first run makes the keys; of several runs the median counts.)
function loops.set_own(dict, times, worker)
  if not own_keys then
    own_keys = {}
    for index = 1, KEYS do
      own_keys[index] = ("%06d:%09d"):format(worker, index)
    end
  end
  set(dict, times, own_keys)
end

local function count(dict, times, key)
  dict:set(key, 0)
  for _ = 1, times do
    dict:incr(key, 1)
  end
end

local function pass(dict, times, key)
  for _ = 1, times do
    dict:lpush(key, VALUE)
    dict:rpop(key)
  end
end

function loops.incr(dict, times)
  count(dict, times, "number")
end

function loops.incr_own(dict, times, worker)
  count(dict, times, "number of " .. worker)
end

function loops.incr_many(dict, times)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:incr(counters[at + 1], 1)
  end
end

function loops.push_pop(dict, times)
  pass(dict, times, "queue")
end

function loops.push_pop_own(dict, times, worker)
  pass(dict, times, "queue of " .. worker)
end

function loops.push_pop_many(dict, times)
  local at = 1
  for _ = 1, times do
    at = (at + 7919) % KEYS
    dict:lpush(queues[at + 1], VALUE)
    dict:rpop(queues[at + 1])
  end
end

return loops
