-- The service `.datacenter`: keeps the tree of `skynet.datacenter`.

local skynet = require "skynet"

local tree = {}
-- Tasks that wait for any change.
local changed = {}

local function find(keys)
  local node = tree
  for i = 1, keys.n do
    if type(node) ~= "table" then
      return nil
    end
    node = node[keys[i]]
  end
  return node
end

local function check(keys, least)
  assert(keys.n >= least, "a place in the data center has a key")
  for i = 1, keys.n do
    assert(keys[i] ~= nil, "a key in the data center is not nil")
  end
end

local command = {}

function command.get(...)
  return find(table.pack(...))
end

function command.set(...)
  local keys = table.pack(...)
  local value = keys[keys.n]
  keys.n = keys.n - 1
  check(keys, 1)
  local node = tree
  for i = 1, keys.n - 1 do
    local inner = node[keys[i]]
    if inner == nil then
      inner = {}
      node[keys[i]] = inner
    end
    assert(type(inner) == "table", "a value of the data center is in the way")
    node = inner
  end
  local last = node[keys[keys.n]]
  node[keys[keys.n]] = value
  while skynet.wakeup(changed) do
  end
  return last
end

function command.wait(...)
  local keys = table.pack(...)
  check(keys, 1)
  local value = find(keys)
  while value == nil do
    skynet.wait(changed)
    value = find(keys)
  end
  return value
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
