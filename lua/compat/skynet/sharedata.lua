-- The module `skynet.sharedata`: read-only data that all services of the host see by a name, kept
-- once; what they hold follows its updates.

local file = require "skynet.sharedata.file"
local shared = require "skynet.sharedata.object"

local sharedata = {}

-- The name of the table of the host.
local function table_name(name)
  return "sharedata:" .. tostring(name)
end

local function missing(name)
  error(("there is no shared data %s"):format(tostring(name)), 3)
end

-- The object of that name, which cannot be written to.
function sharedata.query(name)
  return shared.query(table_name(name), name) or missing(name)
end

-- What code of data sees: files that it loads in turn are data as well, and so are those that they
-- load.
local globals = setmetatable({}, { __index = _G })

function globals.loadfile(path, kind, env)
  return file.loadfile(path, kind or "bt", env or globals)
end

function globals.dofile(path)
  return assert(globals.loadfile(path))()
end

-- The table that a table, a text, or a file (`"@name"`) stands for. Code gets the other arguments;
-- its data is the table that it returns, or the globals that it sets.
local function loaded(name, value, ...)
  if type(value) == "table" then
    return value
  elseif value == nil then
    return {}
  elseif type(value) ~= "string" then
    error(("shared data is a table, a text or nil, not a %s"):format(type(value)), 3)
  end
  local env = setmetatable({}, { __index = globals })
  local f
  if value:sub(1, 1) == "@" then
    f = assert(file.loadfile(value:sub(2), "bt", env))
  else
    f = assert(load(value, "=" .. tostring(name), "bt", env))
  end
  local result = f(...)
  return type(result) == "table" and result or setmetatable(env, nil)
end

-- Shares data under a new name.
function sharedata.new(name, value, ...)
  local data = loaded(name, value, ...)
  if not shared.new(table_name(name), data) then
    error(("there is shared data %s already"):format(tostring(name)), 2)
  end
end

-- Replaces the data of a name, for everybody who has queried it.
function sharedata.update(name, value, ...)
  shared.update(table_name(name), loaded(name, value, ...))
end

-- Takes a name away; who has queried it keeps what it saw last.
function sharedata.delete(name)
  if not shared.delete(table_name(name)) then
    missing(name)
  end
end

-- Lets go of versions that are not current any more.
function sharedata.flush()
  collectgarbage()
end

local function copied(value, copies)
  if type(value) ~= "table" or copies[value] then
    return copies[value] or value
  end
  local copy = {}
  copies[value] = copy
  for key, inner in pairs(value) do
    copy[key] = copied(inner, copies)
  end
  return copy
end

-- A copy of the data of a name, or of the part that the keys lead to, in plain tables.
function sharedata.deepcopy(name, ...)
  local value = shared.content(table_name(name)) or missing(name)
  for _, key in ipairs { ... } do
    if type(value) ~= "table" then
      break
    end
    value = value[key]
  end
  return copied(value, {})
end

return sharedata
