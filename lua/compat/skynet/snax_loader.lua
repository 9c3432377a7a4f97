-- The module `skynet.snax.loader`: loads the file of a snax service, and mends one that is loaded.
--
-- Such a file defines functions as fields of `accept` and `response`, and the globals `init`,
-- `exit` and `hotfix`.

local skynet = require "skynet"

local loader = {}

local SYSTEM = { init = true, exit = true, hotfix = true }

-- The environment in which a file is run, and the groups of functions that it fills.
local function environment(base)
  local groups = { accept = {}, response = {}, system = {} }
  local env = {}
  setmetatable(env, {
    __index = function(_, key)
      if key == "accept" or key == "response" then
        return groups[key]
      elseif SYSTEM[key] then
        return groups.system[key]
      end
      return base[key]
    end,
    __newindex = function(_, key, value)
      if SYSTEM[key] then
        groups.system[key] = value
      else
        base[key] = value
      end
    end,
  })
  return env, groups
end

-- The path of a service's file: by the patterns of the setting `snax`, or as modules are found.
local function path_of(name)
  local patterns = skynet.getenv "snax"
  patterns = (patterns and patterns .. ";" or "") .. package.path
  local path, tried = package.searchpath(name, patterns, "", "")
  return path or error(("snax service %s not found:%s"):format(name, tried), 0)
end

local function names_of(groups)
  local interface = { accept = {}, response = {}, system = {} }
  for group, functions in pairs(groups) do
    for name in pairs(functions) do
      interface[group][name] = true
    end
  end
  return interface
end

-- Loads a service: its groups of functions, their names, and its environment. Globals that the file
-- sets go to `base`, by default to a table of their own.
function loader.load(name, base)
  base = base or setmetatable({}, { __index = _G })
  local env, groups = environment(base)
  env.snax = require "skynet.snax"
  assert(loadfile(path_of(name), "bt", env))()
  return { groups = groups, interface = names_of(groups), base = base }
end

-- Runs a piece of source as `load` does, for its functions alone.
local function groups_of(source, name, base)
  local env, groups = environment(base)
  assert(load(source, "=hotfix of " .. name, "t", env))()
  return groups
end

-- The names of the functions that a piece of source defines.
function loader.names(source, name)
  return names_of(groups_of(source, name, setmetatable({}, { __index = _G })))
end

-- Collects where the upvalues of a function, and of those it refers to, are: name to function and
-- index.
local function collect(places, f, seen)
  if seen[f] then
    return
  end
  seen[f] = true
  for i = 1, math.huge do
    local name, value = debug.getupvalue(f, i)
    if not name then
      return
    end
    if name ~= "_ENV" then
      places[name] = places[name] or { f, i }
    end
    if type(value) == "function" then
      collect(places, value, seen)
    end
  end
end

-- Lets the upvalues of a new function be those of the same name in the old ones.
local function join(places, f, seen)
  if seen[f] then
    return
  end
  seen[f] = true
  for i = 1, math.huge do
    local name, value = debug.getupvalue(f, i)
    if not name then
      return
    end
    local place = places[name]
    if place then
      debug.upvaluejoin(f, i, place[1], place[2])
    elseif type(value) == "function" then
      join(places, value, seen)
    end
  end
end

-- Replaces functions of a loaded service by those in `source`. Returns the `hotfix` function in it,
-- if there is one; it is not kept.
function loader.mend(service, source, name)
  local fixed = groups_of(source, name, service.base)
  local places, seen = {}, {}
  for _, functions in pairs(service.groups) do
    for _, f in pairs(functions) do
      collect(places, f, seen)
    end
  end
  local joined = {}
  for group, functions in pairs(fixed) do
    for key, f in pairs(functions) do
      assert(type(f) == "function", "a hotfix defines functions")
      join(places, f, joined)
      if key ~= "hotfix" or group ~= "system" then
        service.groups[group][key] = f
      end
    end
  end
  service.interface = names_of(service.groups)
  return fixed.system.hotfix
end

return loader
