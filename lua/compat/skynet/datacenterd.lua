-- The service `DATACENTER`: keeps the tree of `skynet.datacenter`, and those who wait for a place.

local skynet = require "skynet"

local tree = {}

-- Who waits, as a tree of the same shape: a node holds `responses` of those who wait for its place,
-- and `children` by their keys.
local waiting = {}

-- How many responses that tree holds, and at how many those of ended services are swept out.
local waiting_count, sweep_at = 0, 64

local function check_keys(keys, count)
  assert(count > 0, "a place in the data center has at least one key")
  for i = 1, count do
    assert(keys[i] ~= nil, "a key in the data center is nil")
  end
end

local function find(keys)
  local value = tree
  for i = 1, keys.n do
    if type(value) ~= "table" then
      return nil
    end
    value = value[keys[i]]
  end
  return value
end

-- Answers those who wait for a node's place.
local function respond(node, ...)
  local responses = node.responses
  node.responses = nil
  for _, response in ipairs(responses or {}) do
    waiting_count = waiting_count - 1
    response(...)
  end
end

local function is_empty(node)
  return not node.responses and (not node.children or next(node.children) == nil)
end

-- Answers those who wait for a place that has a value now, or for one inside that value.
local function settle(node, value)
  respond(node, true, value)
  if type(value) ~= "table" then
    return
  end
  for key, child in pairs(node.children or {}) do
    if value[key] ~= nil then
      settle(child, value[key])
      if is_empty(child) then
        node.children[key] = nil
      end
    end
  end
end

-- Tells those who wait that a value was put at a place. Who waits for a place on the way to it
-- waits for a branch, which will never be a value.
local function tell(node, keys, depth, value)
  if depth > keys.n then
    return settle(node, value)
  end
  if depth > 1 then
    respond(node, false, "a branch of the data center was made where a value was waited for")
  end
  local child = node.children and node.children[keys[depth]]
  if child then
    tell(child, keys, depth + 1, value)
    if is_empty(child) then
      node.children[keys[depth]] = nil
    end
  end
end

-- Takes out the responses whose services have ended.
local function sweep(node)
  local awaited = {}
  for _, response in ipairs(node.responses or {}) do
    if response "TEST" then
      awaited[#awaited + 1] = response
    else
      waiting_count = waiting_count - 1
    end
  end
  node.responses = awaited[1] and awaited
  for key, child in pairs(node.children or {}) do
    sweep(child)
    if is_empty(child) then
      node.children[key] = nil
    end
  end
end

local function add_waiting(keys, response)
  if waiting_count >= sweep_at then
    sweep(waiting)
    sweep_at = math.max(64, 2 * waiting_count)
  end
  local node = waiting
  for i = 1, keys.n do
    node.children = node.children or {}
    local child = node.children[keys[i]] or {}
    node.children[keys[i]] = child
    node = child
  end
  node.responses = node.responses or {}
  table.insert(node.responses, response)
  waiting_count = waiting_count + 1
end

local command = {}

function command.QUERY(...)
  skynet.retpack(find(table.pack(...)))
end

function command.UPDATE(...)
  local keys = table.pack(...)
  local value = keys[keys.n]
  keys.n = keys.n - 1
  check_keys(keys, keys.n)
  local branch = tree
  for i = 1, keys.n - 1 do
    local inner = branch[keys[i]]
    if inner == nil then
      inner = {}
      branch[keys[i]] = inner
    elseif type(inner) ~= "table" then
      error(("the data center holds a %s at %s"):format(type(inner), tostring(keys[i])), 0)
    end
    branch = inner
  end
  local last = branch[keys[keys.n]]
  branch[keys[keys.n]] = value
  skynet.retpack(last)
  if value ~= nil and waiting_count > 0 then
    tell(waiting, keys, 1, value)
  end
end

function command.WAIT(...)
  local keys = table.pack(...)
  check_keys(keys, keys.n)
  local value = find(keys)
  if value ~= nil then
    skynet.retpack(value)
  else
    add_waiting(keys, skynet.response())
  end
end

skynet.info_func(function()
  return { waiting = waiting_count }
end)

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name] or error(("DATACENTER has no command %s"):format(tostring(name)), 0)
    f(...)
  end)
end)
