-- The module `skynet.snax.loader`: loads the file of a snax service, reads what one defines, and
-- mends one that is loaded.
--
-- Such a file defines functions as fields of `accept` and `response`, and the globals `init`,
-- `exit` and `hotfix`.

local skynet = require "skynet"
local getinfo, getupvalue = debug.getinfo, debug.getupvalue

local loader = {}

local SYSTEM = { init = true, exit = true, hotfix = true }

-- The methods of every service, by their numbers; those that its file defines come behind them, in
-- their order. A number stands for a method in a message as well as its group and name.
local OWN_METHODS = { "init", "exit", "hotfix", "profile" }

-- What `require` gives to a file that is only read for what it defines: anything can be done with
-- it.
local blank = setmetatable({}, {
  __index = function(self)
    return self
  end,
  __call = function(self)
    return self
  end,
})

local function define(group, functions, name, f)
  if type(name) ~= "string" then
    error(("the name of a function of `%s` is a string"):format(group), 3)
  elseif type(f) ~= "function" then
    error(("%s.%s must be a function"):format(group, name), 3)
  elseif functions[name] then
    error(("%s.%s is defined twice"):format(group, name), 3)
  end
  functions[name] = f
end

-- The table through which a file defines the functions of a group.
local function collector(group, functions, methods)
  return setmetatable({}, {
    __index = functions,
    __newindex = function(_, name, f)
      define(group, functions, name, f)
      methods[#methods + 1] = { group = group, name = name }
    end,
  })
end

-- Runs a chunk whose globals are in `env`, and in `outer` if they are not there. Returns the
-- functions that it defines, by group and name, and all methods by number. Only while it runs,
-- `env` knows of the groups; so its functions reach their globals as quickly as any others.
local function run(chunk, env, outer)
  local groups = { accept = {}, response = {}, system = {} }
  local methods = {}
  for number, name in ipairs(OWN_METHODS) do
    methods[number] = { group = "system", name = name }
  end
  local own = {
    accept = collector("accept", groups.accept, methods),
    response = collector("response", groups.response, methods),
  }
  local before = getmetatable(env)
  setmetatable(env, {
    __index = function(_, key)
      return own[key] or groups.system[key] or outer[key]
    end,
    __newindex = function(_, key, value)
      if SYSTEM[key] then
        define("system", groups.system, key, value)
      else
        rawset(env, key, value)
      end
    end,
  })
  local ok, err = xpcall(chunk, debug.traceback)
  setmetatable(env, before)
  if not ok then
    error(err, 0)
  end
  return groups, methods
end

-- The path of a service's file, by the patterns of the setting `snax`, or as modules are found; and
-- the folder of the service, which is called like it and lies where its pattern has the name.
local function place_of(name)
  local patterns = skynet.getenv "snax"
  patterns = (patterns and patterns .. ";" or "") .. package.path
  for _, separator in ipairs { "", "." } do
    for pattern in patterns:gmatch "[^;]+" do
      local path = package.searchpath(name, pattern, separator)
      if path then
        return path, pattern:match "^[^?]*" .. name .. "/"
      end
    end
  end
  local _, tried = package.searchpath(name, patterns, "")
  error(("snax service %s not found:\n\t%s"):format(name, tried), 0)
end

-- The numbers of the methods of a service, by group and name. Its file is run, but what it requires
-- is not loaded and what it sets is forgotten.
function loader.interface(name)
  local env = {
    require = function()
      return blank
    end,
  }
  local interface = { accept = {}, response = {}, system = {} }
  local _, methods = run(assert(loadfile((place_of(name)), "bt", env)), env, _G)
  for number, method in ipairs(methods) do
    interface[method.group][method.name] = number
  end
  return interface
end

local function source_of(f)
  return getinfo(f, "S").source
end

-- Loads the file of this service. Its modules are looked up first in the folder beside it that is
-- called like it.
function loader.load(name)
  local path, folder = place_of(name)
  SERVICE_NAME = name
  SERVICE_PATH = folder
  package.path = SERVICE_PATH .. "?.lua;" .. package.path
  local chunk = assert(loadfile(path))
  local groups, methods = run(chunk, _G, {})
  local sources = { [source_of(chunk)] = true }
  return { name = name, groups = groups, methods = methods, sources = sources }
end

-- Collects where the variables of a function and of the service's own functions that it refers to
-- are kept: by name a function, the index of its upvalue, and whether the name has another meaning
-- elsewhere.
local function collect(service, places, f, seen)
  seen[f] = true
  for i = 1, math.huge do
    local name, value = getupvalue(f, i)
    if not name then
      return
    end
    local id = debug.upvalueid(f, i)
    local place = places[name]
    if not place then
      places[name] = { f = f, index = i, id = id }
    elseif place.id ~= id then
      place.is_ambiguous = true
    end
    if type(value) == "function" and not seen[value] and service.sources[source_of(value)] then
      collect(service, places, value, seen)
    end
  end
end

-- Lets the variables that new code declares without a value be those of the same name in the
-- service.
local function join(places, f, source, seen)
  seen[f] = true
  for i = 1, math.huge do
    local name, value = getupvalue(f, i)
    if not name then
      return
    end
    local place = places[name]
    if value == nil and place then
      if place.is_ambiguous then
        error(("functions of the service have different variables `%s`"):format(name), 0)
      end
      debug.upvaluejoin(f, i, place.f, place.index)
    elseif type(value) == "function" and not seen[value] and source_of(value) == source then
      join(places, value, source, seen)
    end
  end
end

local function check_fix(service, fix)
  for _, group in ipairs { "accept", "response" } do
    for name in pairs(fix[group]) do
      if not service.groups[group][name] then
        local text = "Patch mismatch %s.%s: the service %s has none"
        error(text:format(group, name, service.name), 0)
      end
    end
  end
end

-- Replaces functions of a loaded service by those that `source` defines, all or none. Returns the
-- `hotfix` function in it, if there is one; it is not kept.
function loader.mend(service, source)
  local chunk_name = "=hotfix of " .. service.name
  local fix = run(assert(load(source, chunk_name, "bt")), _G, {})
  check_fix(service, fix)
  local places, seen = {}, {}
  for _, functions in pairs(service.groups) do
    for _, f in pairs(functions) do
      collect(service, places, f, seen)
    end
  end
  for _, functions in pairs(fix) do
    for _, f in pairs(functions) do
      join(places, f, chunk_name, seen)
    end
  end
  service.sources[chunk_name] = true
  local hotfix = fix.system.hotfix
  fix.system.hotfix = nil
  for group, functions in pairs(fix) do
    for name, f in pairs(functions) do
      service.groups[group][name] = f
    end
  end
  return hotfix
end

return loader
