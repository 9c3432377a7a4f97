-- The service `snaxd`: runs the file of a snax service, whose name is its argument.

local skynet = require "skynet"
require "skynet.manager"
local loader = require "skynet.snax.loader"
require "skynet.snax"

local name = ...
SERVICE_NAME = name
local service = loader.load(name, _G)
local accept, response, system =
  service.groups.accept, service.groups.response, service.groups.system

-- How often each function ran, and how long in all, in seconds.
local profile = {}

local function count(function_name, began)
  local figures = profile[function_name] or { count = 0, time = 0 }
  profile[function_name] = figures
  figures.count = figures.count + 1
  figures.time = figures.time + (skynet.hpc() - began) / 1e9
end

local command = {}

function command.init(...)
  if system.init then
    system.init(...)
  end
  skynet.retpack()
end

function command.exit(...)
  if system.exit then
    system.exit(...)
  end
  skynet.retpack()
  skynet.exit()
end

function command.hotfix(source, ...)
  local f = loader.mend(service, source, name)
  if f then
    skynet.retpack(f(...))
  else
    skynet.retpack()
  end
end

function command.profile()
  skynet.retpack(profile)
end

local function find(functions, group, function_name)
  local f = functions[function_name]
  if not f then
    error(("the service %s has no %s.%s"):format(name, group, tostring(function_name)), 0)
  end
  return f
end

skynet.start(function()
  skynet.dispatch("snax", function(_, _, group, function_name, ...)
    if group == "system" then
      return find(command, group, function_name)(...)
    end
    local began = skynet.hpc()
    if group == "accept" then
      find(accept, group, function_name)(...)
    else
      skynet.retpack(find(response, group, function_name)(...))
    end
    count(function_name, began)
  end)
end)
