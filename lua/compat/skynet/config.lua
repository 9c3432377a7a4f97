-- Reads a configuration file of skynet: Lua assignments, in which `$NAME` stands for a variable of
-- the environment and `include "file"` for another such file, looked up beside this one.
--
-- Gets the file's name; returns a table of strings.

local settings = {}
local directory = ""

local function variable(name)
  return os.getenv(name) or error(("the environment has no variable %s"):format(name), 0)
end

local function include(file)
  local outer = directory
  local path = file:sub(1, 1) == "/" and file or directory .. file
  directory = path:match "^.*/" or ""
  local handle, message = io.open(path)
  if not handle then
    error(message, 0)
  end
  local text = handle:read("a"):gsub("%$([%w_]+)", variable)
  handle:close()
  local chunk, problem = load(text, "@" .. path, "t", settings)
  if not chunk then
    error(problem, 0)
  end
  chunk()
  directory = outer
end

setmetatable(settings, { __index = { include = include } })
include(...)
setmetatable(settings, nil)

for key, value in pairs(settings) do
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then
    settings[key] = tostring(value)
  else
    error(("the setting %s is a %s; settings are texts, numbers or booleans"):format(key, kind), 0)
  end
end
return settings
