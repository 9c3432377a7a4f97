-- The service `snaxd`: runs the file of a snax service, whose name is its argument.

local measure = require "skynet.profile"
local skynet = require "skynet"
local begin_watch, end_watch = measure.begin_watch, measure.end_watch
local snax = require "skynet.snax"
local service = require("skynet.snax.loader").load(...)

local name, system = service.name, service.groups.system

-- How often each function ran, and for how many seconds, its waits not counted.
local profile = {}

-- One run of a function; its end is noted also if it fails.
local Run = {}

function Run:__close()
  -- A run that ends with its service is no task any more, and has no time to tell.
  self.figures.time = self.figures.time + (end_watch(self.watch) or 0)
end

local function begin(function_name)
  local figures = profile[function_name] or { count = 0, time = 0 }
  profile[function_name] = figures
  figures.count = figures.count + 1
  return setmetatable({ figures = figures, watch = begin_watch() }, Run)
end

local is_initialized = false
local command = {}

function command.init(...)
  assert(not is_initialized, "Already init")
  if system.init then
    system.init(...)
  end
  is_initialized = true
  skynet.info_func(function()
    return profile
  end)
  skynet.retpack()
end

function command.exit(...)
  assert(is_initialized, "Never init")
  if system.exit then
    system.exit(...)
  end
  skynet.retpack()
  skynet.exit()
end

function command.hotfix(source, ...)
  local hotfix = require("skynet.snax.loader").mend(service, source)
  if hotfix then
    skynet.retpack(hotfix(...))
  else
    skynet.retpack()
  end
end

function command.profile()
  skynet.retpack(profile)
end

local function refuse(group, function_name)
  local method = ("%s.%s"):format(tostring(group), tostring(function_name))
  error(("the service %s has no %s"):format(name, method), 0)
end

local function call(group, function_name, ...)
  assert(is_initialized, "Init first")
  local functions = service.groups[group]
  local f = functions and functions[function_name] or refuse(group, function_name)
  local _ <close> = begin(function_name)
  if group == "accept" then
    f(...)
  else
    skynet.retpack(f(...))
  end
end

local function run(group, function_name, ...)
  if group == "system" then
    local f = command[function_name] or refuse(group, function_name)
    f(...)
  else
    call(group, function_name, ...)
  end
end

local function dispatch(_, _, first, ...)
  local method = service.methods[first]
  if method then
    run(method.group, method.name, ...)
  elseif math.type(first) then
    error(("the service %s has no method %s"):format(name, first), 0)
  else
    run(first, ...)
  end
end

-- Takes the same messages by the protocol "lua" as well.
function snax.enablecluster()
  skynet.dispatch("lua", dispatch)
end

skynet.start(function()
  skynet.dispatch("snax", dispatch)
end)
