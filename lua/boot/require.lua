-- The bookkeeping of `require` in services: it finds and loads modules as Lua's own does, but a
-- module's file may wait while it loads (call another service, sleep). The function itself is C, as
-- Lua's own is, so that errors and tracebacks read alike; it calls what is returned here.
--
-- A task that requires a module which another task is loading waits for it. A module that requires
-- itself, by whatever detour, is an error and not an endless recursion.
--
-- A function in the place of a name is run when the file of the module that the running coroutine
-- loads has returned, before the module counts as loaded; false if it loads none.
--
-- Tasks of a service of skynet get a module alone, as from skynet's `require`, without the place of
-- its file, so that `table.insert(list, require(name))` works there. The service's file gets both.

local wait, wakeup, gives_alone = ...
local error, ipairs, next, package = error, ipairs, next, package
local running, setmetatable = coroutine.running, setmetatable

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

-- A load of the running coroutine; it counts as one once it stands in `loading`.
local function begin(name)
  depth = depth + 1
  local load = { name = name, owner = running(), depth = depth, alone = gives_alone() }
  return setmetatable(load, Load)
end

-- Runs the functions that were added to a load.
local function finish(load)
  for _, f in ipairs(load) do
    f()
  end
end

return package, loading, begin, join, finish, run_after_load
