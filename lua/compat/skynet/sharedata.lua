-- The module `skynet.sharedata`: read-only data that all services of the host see by a name; what
-- they hold follows its updates.

local skynet = require "skynet"

local sharedata = {}

-- What this service knows of each name: `version`, `root`, and the object that stands for it.
local known = {}

-- What each object stands for: `data` (the record), `parent` and `key`, the table as of `version`,
-- and the objects made for tables inside it.
local parts = setmetatable({}, { __mode = "k" })

local Part = {}

-- The table that an object stands for now.
local function content(object)
  local part = parts[object]
  local data = part.data
  if part.version == data.version then
    return part.content
  end
  local found
  if part.parent then
    found = content(part.parent)[part.key]
  else
    found = data.root
  end
  if type(found) ~= "table" then
    error(("the shared data %s has no table %s any more"):format(data.name, tostring(part.key)), 3)
  end
  part.version, part.content = data.version, found
  return found
end

local function object_of(data, parent, key)
  local object = setmetatable({}, Part)
  parts[object] = { data = data, parent = parent, key = key, inner = {} }
  return object
end

local function seen(object, key, value)
  if type(value) ~= "table" then
    return value
  end
  local part = parts[object]
  local inner = part.inner[key]
  if not inner then
    inner = object_of(part.data, object, key)
    part.inner[key] = inner
  end
  return inner
end

function Part:__index(key)
  return seen(self, key, content(self)[key])
end

function Part:__newindex(key)
  local name = parts[self].data.name
  error(("the shared data %s cannot be written to (key %s)"):format(name, tostring(key)), 2)
end

function Part:__len()
  return #content(self)
end

function Part:__pairs()
  local table = content(self)
  return function(_, key)
    local next_key, value = next(table, key)
    if next_key ~= nil then
      return next_key, seen(self, next_key, value)
    end
  end,
    self,
    nil
end

-- Follows the updates of a name until it is deleted.
local function follow(data)
  while known[data.name] == data do
    local ok, version, root =
      pcall(skynet.call, ".sharedata", "lua", "next_version", data.name, data.version)
    if not ok or not version then
      if known[data.name] == data then
        known[data.name] = nil
      end
      return
    end
    data.version, data.root = version, root
  end
end

-- The object of that name. It is an error if there is none.
function sharedata.query(name)
  local data = known[name]
  if not data then
    local version, root = skynet.call(".sharedata", "lua", "query", name)
    data = known[name]
    if not data then
      data = { name = name, version = version, root = root }
      data.object = object_of(data)
      known[name] = data
      skynet.fork(follow, data)
    end
  end
  return data.object
end

-- The table that a text, a file (`"@name"`) or a table stands for.
local function loaded(value, ...)
  if type(value) ~= "string" then
    return value
  end
  local env = setmetatable({}, { __index = _G })
  local f
  if value:sub(1, 1) == "@" then
    f = assert(loadfile(value:sub(2), "bt", env))
  else
    f = assert(load(value, "=sharedata", "bt", env))
  end
  local result = f(...)
  return type(result) == "table" and result or setmetatable(env, nil)
end

-- Publishes data under a new name.
function sharedata.new(name, value, ...)
  skynet.call(".sharedata", "lua", "new", name, loaded(value, ...))
end

-- Replaces the data of a name, for everybody who has queried it.
function sharedata.update(name, value, ...)
  skynet.call(".sharedata", "lua", "update", name, loaded(value, ...))
end

-- Takes a name away; who has queried it keeps what it saw last.
function sharedata.delete(name)
  skynet.call(".sharedata", "lua", "delete", name)
end

-- Lets go of what this service has queried and does not use.
function sharedata.flush()
  collectgarbage()
end

-- A copy of the data of a name, or of the part that the keys lead to: plain tables.
function sharedata.deepcopy(name, ...)
  local _, root = skynet.call(".sharedata", "lua", "query", name)
  for _, key in ipairs { ... } do
    root = root[key]
  end
  return root
end

return sharedata
