-- The `require` of services: it finds and loads modules as Lua's own does, but a module's file may
-- wait while it loads (call another service, sleep). Lua's own is a C function, through which no
-- coroutine can be suspended.
--
-- A task that requires a module which another task is loading waits for it. A module that requires
-- itself, by whatever detour, is an error and not an endless recursion.
--
-- A function in the place of a name is run when the file of the module that the running coroutine
-- loads has returned, before the module counts as loaded; false if it loads none.

local wait, wakeup = ...
local concat, error, ipairs, next, package = table.concat, error, ipairs, next, package
local running, setmetatable, tostring, type = coroutine.running, setmetatable, tostring, type

-- Loads begun so far: of two loads of a coroutine, the one begun later is the inner one.
local depth = 0
-- Modules that are being loaded: name to { owner = coroutine }, which is also the token of waiters.
local loading = {}
-- Coroutines that wait for a module: coroutine to name.
local waiting = {}

-- Ends a load, and wakes whoever waits for the module; a closing value, since a load may fail.
local Load = {}

function Load:__close()
  loading[self.name] = nil
  while wakeup(self) do
  end
end

-- True if whoever loads the module waits, directly or not, for the coroutine `own`.
local function waits_for(name, own)
  repeat
    local owner = loading[name].owner
    if owner == own then
      return true
    end
    name = waiting[owner]
  until not name or not loading[name]
  return false
end

-- Waits until the module is loaded, or its load has failed.
local function join(name)
  local own = running()
  if waits_for(name, own) then
    error(("module '%s' requires itself while it is being loaded"):format(name), 3)
  end
  waiting[own] = name
  local _ <close> = setmetatable({}, {
    __close = function()
      waiting[own] = nil
    end,
  })
  wait(loading[name])
end

-- Adds a function to run to the innermost load of the running coroutine.
local function run_after_load(f)
  local own, innermost = running(), nil
  for _, load in next, loading do
    if load.owner == own and (not innermost or load.depth > innermost.depth) then
      innermost = load
    end
  end
  if not innermost then
    return false
  end
  innermost[#innermost + 1] = f
  return true
end

-- The loader of a module and what belongs to it.
local function find(name)
  local searchers = package.searchers
  if type(searchers) ~= "table" then
    error("'package.searchers' must be a table", 3)
  end
  local tried = {}
  for _, searcher in ipairs(searchers) do
    local loader, data = searcher(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      tried[#tried + 1] = "\n\t" .. loader
    end
  end
  error(("module '%s' not found:%s"):format(name, concat(tried)), 3)
end

return function(name)
  if type(name) == "number" then
    name = tostring(name)
  elseif type(name) == "function" then
    return run_after_load(name)
  elseif type(name) ~= "string" then
    error(("bad argument #1 to 'require' (string expected, got %s)"):format(type(name)), 2)
  end
  local loaded = package.loaded
  while true do
    local value = loaded[name]
    if value then
      return value
    elseif not loading[name] then
      break
    end
    join(name)
  end
  depth = depth + 1
  local load <close> = setmetatable({ name = name, owner = running(), depth = depth }, Load)
  loading[name] = load
  local loader, data = find(name)
  local value = loader(name, data)
  for _, f in ipairs(load) do
    f()
  end
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], data
end
