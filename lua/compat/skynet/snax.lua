-- The module `skynet.snax`: services whose file defines functions to be posted to and asked, and
-- that can be mended while they live.
--
-- A message of the protocol "snax" names a group ("accept", "response" or "system") and a function
-- of it, or the number that `interface` tells of it, and its arguments.

local skynet = require "skynet"
local loader = require "skynet.snax.loader"

local snax = {}

skynet.register_protocol {
  name = "snax",
  id = skynet.PTYPE_SNAX,
  pack = skynet.pack,
  unpack = skynet.unpack,
}

-- The methods of a service, by its name.
local interfaces = {}

-- The name of a service, and the numbers of its methods by group and name.
function snax.interface(name)
  local interface = interfaces[name]
  if not interface then
    interface = loader.interface(name)
    interface.name = name
    interfaces[name] = interface
  end
  return interface
end

-- Nobody waits for what is posted, and nothing comes back.
local function post(...)
  skynet.send(...)
end

-- The functions of a group, made when they are first asked for.
local function group_of(object, group, send)
  local names = snax.interface(object.type)[group]
  return setmetatable({}, {
    __index = function(self, name)
      if not names[name] then
        error(("the service %s has no %s.%s"):format(object.type, group, tostring(name)), 2)
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

-- The object of each service, as long as somebody has it.
local objects = setmetatable({}, { __mode = "v" })

-- The object for a service that runs.
function snax.bind(handle, name)
  local object = objects[handle]
  if object then
    assert(object.type == name, "this service is bound to another type")
    return object
  end
  object = setmetatable({ handle = handle, type = name }, Object)
  object.post = group_of(object, "accept", post)
  object.req = group_of(object, "response", skynet.call)
  objects[handle] = object
  return object
end

-- Starts a service, calls its `init` with the arguments, and returns its address.
function snax.rawnewservice(name, ...)
  snax.interface(name)
  local handle = skynet.newservice("snaxd", name)
  local ok, err = pcall(skynet.call, handle, "snax", "system", "init", ...)
  if not ok then
    skynet.kill(handle)
    error(err, 0)
  end
  return handle
end

-- The same, but returns its object.
function snax.newservice(name, ...)
  return snax.bind(snax.rawnewservice(name, ...), name)
end

-- The service of that name that the host has once; starts it if need be.
function snax.uniqueservice(name, ...)
  return snax.bind(skynet.call(".service", "lua", "LAUNCH", "snaxd", name, ...), name)
end

-- The same once somebody has started it.
function snax.queryservice(name)
  return snax.bind(skynet.call(".service", "lua", "QUERY", "snaxd", name), name)
end

-- The service of that name that the cluster has once: another one, though there is one node.
function snax.globalservice(name, ...)
  return snax.bind(skynet.call(".service", "lua", "GLAUNCH", "snaxd", name, ...), name)
end

-- The same once somebody has started it.
function snax.queryglobal(name)
  return snax.bind(skynet.call(".service", "lua", "GQUERY", "snaxd", name), name)
end

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

-- Replaces functions of a service that lives by those in `source`. Variables that it declares
-- without a value are those of the service. Its function `hotfix` runs with the arguments, and its
-- results are returned.
function snax.hotfix(object, source, ...)
  return skynet.call(object.handle, "snax", "system", "hotfix", source, ...)
end

-- How often each function of a service ran, and for how many seconds in all, its waits not counted.
function snax.profile_info(object)
  return skynet.call(object.handle, "snax", "system", "profile")
end

-- A log line.
function snax.printf(format, ...)
  skynet.error(string.format(format, ...))
end

return snax
