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

-- The keys that name a place: those before the first nil.
local function place(...)
  local keys = table.pack(...)
  for i = 1, keys.n do
    if keys[i] == nil then
      keys.n = i - 1
      break
    end
  end
  return keys
end

local function no_branch(value, key)
  error(("the data center holds a %s at %s"):format(type(value), tostring(key)), 0)
end

-- The value at a place. No value if there is nothing at its first key, nil if there is nothing
-- further in, as programs see who print what they get.
local function find(keys)
  local value = tree[keys[1]]
  if value == nil then
    return
  end
  for i = 2, keys.n do
    if value == nil then
      return nil
    elseif type(value) ~= "table" then
      no_branch(value, keys[i - 1])
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

local function none_there()
  error("somebody waits for a value of the data center where a branch would have to be", 0)
end

-- The node of a place. Nobody can wait both for a value and for one inside it.
local function node_of(keys)
  local node = waiting
  for i = 1, keys.n do
    node.children = node.children or {}
    local child = node.children[keys[i]] or {}
    if i < keys.n and child.responses or i == keys.n and child.children then
      return nil
    end
    node.children[keys[i]] = child
    node = child
  end
  return node
end

local function add_waiting(keys)
  if waiting_count >= sweep_at then
    sweep(waiting)
    sweep_at = math.max(64, 2 * waiting_count)
  end
  local node = node_of(keys)
  if not node then
    -- Whoever stands in the way may have ended.
    sweep(waiting)
    node = node_of(keys) or none_there()
  end
  node.responses = node.responses or {}
  table.insert(node.responses, skynet.response())
  waiting_count = waiting_count + 1
end

-- The branch in which a place lies; it is made if there is none.
local function branch_of(keys)
  local branch = tree
  for i = 1, keys.n - 1 do
    local inner = branch[keys[i]]
    if inner == nil then
      inner = {}
      branch[keys[i]] = inner
    elseif type(inner) ~= "table" then
      no_branch(inner, keys[i])
    end
    branch = inner
  end
  return branch
end

-- Puts a value at a place. Returns what was there before; no value for a new one.
local function put(keys, value)
  local branch, key = branch_of(keys), keys[keys.n]
  local last = branch[key]
  branch[key] = value
  if value ~= nil and waiting_count > 0 then
    tell(waiting, keys, 1, value)
  end
  if last ~= nil or value == nil then
    return last
  end
end

local command = {}

function command.QUERY(...)
  skynet.retpack(find(place(...)))
end

-- Those who wait for the value get it before the answer here. A key alone has no value.
function command.UPDATE(...)
  local keys = table.pack(...)
  keys.n = math.max(keys.n - 1, 1)
  check_keys(keys, keys.n)
  skynet.retpack(put(keys, keys[keys.n + 1]))
end

function command.WAIT(...)
  local keys = place(...)
  check_keys(keys, keys.n)
  local value = find(keys)
  if value ~= nil then
    skynet.retpack(value)
  else
    add_waiting(keys)
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
