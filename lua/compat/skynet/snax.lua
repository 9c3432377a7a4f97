-- The module `skynet.snax`: services whose file defines functions to be posted to and asked, and
-- that can be mended while they live.
--
-- A message of the protocol "snax" names a group ("accept", "response" or "system"), a function of
-- it, and its arguments.

local skynet = require "skynet"
local loader = require "skynet.snax.loader"

local snax = {}

skynet.register_protocol {
  name = "snax",
  id = skynet.PTYPE_SNAX,
  pack = skynet.pack,
  unpack = skynet.unpack,
}

-- What the file of a service defines, by its name.
local interfaces = {}

-- The interface of a service: the names of its functions, by group.
function snax.interface(name)
  local interface = interfaces[name]
  if not interface then
    interface = loader.load(name).interface
    interfaces[name] = interface
  end
  return interface
end

local function refuse(object, group, name)
  local text = "the service %s has no %s.%s"
  error(text:format(object.type, group, tostring(name)), 3)
end

-- The functions of a group, made when they are first asked for.
local function group_of(object, names, group, send)
  return setmetatable({}, {
    __index = function(self, name)
      if not names[name] then
        refuse(object, group, name)
      end
      local function f(...)
        return send(object.handle, "snax", group, name, ...)
      end
      rawset(self, name, f)
      return f
    end,
  })
end

local Object = {}

function Object:__tostring()
  return ("[%s:%x]"):format(self.type, self.handle)
end

-- An object for a service that runs.
function snax.bind(handle, name)
  local interface = snax.interface(name)
  local object = { handle = handle, type = name }
  object.post = group_of(object, interface.accept, "accept", skynet.send)
  object.req = group_of(object, interface.response, "response", skynet.call)
  return setmetatable(object, Object)
end

-- Starts a service without calling its `init`.
function snax.rawnewservice(name, ...)
  snax.interface(name)
  local handle = skynet.newservice("snaxd", name)
  return handle, ...
end

local function begin(handle, ...)
  local ok, err = pcall(skynet.call, handle, "snax", "system", "init", ...)
  if not ok then
    skynet.kill(handle)
    error(err, 0)
  end
  return handle
end

-- Starts a service and calls its `init` with the arguments.
function snax.newservice(name, ...)
  return snax.bind(begin(snax.rawnewservice(name, ...)), name)
end

local function unique_name(name)
  return "snaxd/" .. name
end

-- The service of that name that the host has once; starts it if need be.
function snax.uniqueservice(name, ...)
  snax.interface(name)
  local handle = skynet.call(".service", "lua", "LAUNCH_SNAX", unique_name(name), name, ...)
  return snax.bind(handle, name)
end

snax.globalservice = snax.uniqueservice

-- The same once somebody has started it.
function snax.queryservice(name)
  return snax.bind(skynet.call(".service", "lua", "QUERY", unique_name(name)), name)
end

snax.queryglobal = snax.queryservice

-- Ends a service, after its `exit` has run with the arguments.
function snax.kill(object, ...)
  skynet.call(object.handle, "snax", "system", "exit", ...)
end

-- The object of this service.
function snax.self()
  return snax.bind(skynet.self(), SERVICE_NAME)
end

-- Ends this service.
function snax.exit(...)
  snax.kill(snax.self(), ...)
end

-- Replaces functions of a service that lives by those in `source`; its `hotfix` runs with the
-- arguments, and its results are returned.
function snax.hotfix(object, source, ...)
  local interface = snax.interface(object.type)
  local results = table.pack(skynet.call(object.handle, "snax", "system", "hotfix", source, ...))
  local fixed = loader.names(source, object.type)
  for group, names in pairs(fixed) do
    for name in pairs(names) do
      interface[group][name] = true
    end
  end
  return table.unpack(results, 1, results.n)
end

-- How often each function of a service ran, and for how many seconds in all.
function snax.profile_info(object)
  return skynet.call(object.handle, "snax", "system", "profile")
end

function snax.printf(format, ...)
  skynet.error(string.format(format, ...))
end

return snax
