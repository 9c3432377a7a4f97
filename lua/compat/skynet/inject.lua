-- The module `skynet.inject`: runs a piece of code inside a service that lives, with a view of the
-- tables that its handlers use.

local skynet = require "skynet"

-- Collects the tables among the upvalues of a function, and of the functions it refers to.
local function collect(into, f, seen)
  if seen[f] then
    return
  end
  seen[f] = true
  for i = 1, math.huge do
    local name, value = debug.getupvalue(f, i)
    if not name then
      return
    elseif type(value) == "table" then
      into[name] = value
    elseif type(value) == "function" then
      collect(into, value, seen)
    end
  end
end

-- The upvalues of each protocol's handler, by the protocol's name.
local function handlers()
  local upvalues, all = {}, {}
  for _, name in ipairs(require("skynet.core").protocols()) do
    local handler = skynet.dispatch(name)
    if handler then
      local own = {}
      collect(own, handler, {})
      upvalues[name] = own
      collect(all, handler, {})
    end
  end
  return upvalues, all
end

-- Runs `source`, with the tables among the upvalues of further functions in view as well.
local function run(source, filename, arguments, ...)
  local output = {}
  local function print(...)
    local texts = table.pack(...)
    for i = 1, texts.n do
      texts[i] = tostring(texts[i])
    end
    output[#output + 1] = table.concat(texts, "\t")
  end
  local upvalues, all = handlers()
  for _, more in ipairs { ... } do
    collect(all, more, {})
  end
  local env = setmetatable({ print = print, _U = all, _P = upvalues }, { __index = _G })
  local f, message = load(source, filename and "@" .. filename or "=(load)", "bt", env)
  if not f then
    return false, { message }
  end
  arguments = arguments or {}
  local ok, err = xpcall(f, debug.traceback, table.unpack(arguments, 1, arguments.n))
  if not ok then
    output[#output + 1] = tostring(err)
  end
  return ok, output
end

-- Runs `source`, a text; returns whether it succeeded, and the lines it printed, or why it did not.
-- As in skynet, the module `skynet` may stand before it, and functions behind the arguments.
return function(first, ...)
  if type(first) == "table" then
    return run(...)
  end
  return run(first, ...)
end
