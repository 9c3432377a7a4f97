-- The service `.launcher`: lists the services of the host and asks them for figures.

local skynet = require "skynet"
require "skynet.manager"
local services = require("skynet.core").services

-- The address in a command: a number, or a text like `:0000002a`.
local function number_of(address)
  return type(address) == "string" and tonumber("0x" .. address:sub(2)) or address
end

-- How every other service of the host was launched, by its address.
local function others()
  local list = services()
  list[skynet.self()] = nil
  return list
end

-- What `show` makes of the answers of all services to a debugging command, by the text of their
-- addresses. A service that fails, or does not answer within `ticks`, stands there with that.
local function asked(command, ticks, show)
  local launched, list = others(), {}
  local requests = skynet.request()
  for address, how in pairs(launched) do
    requests:add { address, "debug", command }
    list[skynet.address(address)] = ("TIMEOUT (%s)"):format(how)
  end
  for request, response in requests:select(ticks) do
    local address = request[1]
    list[skynet.address(address)] = response and show(response[1], launched[address])
      or ("ERROR (%s): %s"):format(launched[address], request.error)
  end
  return list
end

local function memory(kilobytes, launched)
  return ("%.2f Kb (%s)"):format(kilobytes, launched)
end

local command = {}

function command.LIST()
  local list = {}
  for address, launched in pairs(others()) do
    list[skynet.address(address)] = launched
  end
  return list
end

function command.STAT(ticks)
  return asked("STAT", ticks, function(figures)
    return figures
  end)
end

function command.MEM(ticks)
  return asked("MEM", ticks, memory)
end

function command.GC(ticks)
  return asked("GC", ticks, memory)
end

function command.KILL(address)
  address = number_of(address)
  local launched = services()[address]
  skynet.kill(address)
  return { [skynet.address(address)] = tostring(launched) }
end

-- A service has ended, has started, or could not: the host knows.
function command.REMOVE() end
command.LAUNCHOK = command.REMOVE
command.ERROR = command.REMOVE

-- Tasks that start services, by the sessions of the requests that they serve.
local launching = {}

-- The service that a task starts. A task that waits in `newservice` keeps the service as a first
-- argument; nothing for one that waits elsewhere or not at all.
local function started_by(co)
  local info = co and debug.getinfo(co, 0, "f")
  if info and info.func == skynet.newservice then
    local _, service = debug.getlocal(co, 0, 1)
    return skynet.localname(skynet.address(service))
  end
end

-- Starts what `skynet.launch` would, and waits until its start function has ended.
local function start(...)
  local kind = ...
  if type(kind) ~= "string" and type(kind) ~= "number" then
    return skynet.launch(...)
  end
  kind = tostring(kind):match "^%s*(.-)%s*$"
  local words = kind:match "^snlua%s+(%S.*)$"
  if words then
    return skynet.newservice(words, select(2, ...))
  elseif kind == "snlua" then
    return skynet.newservice(select(2, ...))
  end
  error(('cannot launch a "%s"\nhint: services written in C have no place here'):format(kind), 0)
end

-- No command calls another by its name: programs put functions of their own in the place of them.
local function launch(...)
  local session = skynet.context()
  launching[session] = coroutine.running()
  local _ <close> = setmetatable({}, {
    __close = function()
      launching[session] = nil
    end,
  })
  return start(...)
end

command.LAUNCH = launch

-- The same for a service whose messages are recorded from the time when its file has run.
function command.LOGLAUNCH(...)
  skynet.fork(function(co)
    local address = started_by(co)
    if address then
      skynet.send(address, "debug", "LOGON")
    end
  end, coroutine.running())
  return launch(...)
end

-- The address of the service that a LAUNCH of that session is starting.
function command.QUERY(session)
  return started_by(launching[session])
end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    local f = command[type(name) == "string" and name:upper()]
    local result = { "Unknown command" }
    if f then
      result = f(...)
    end
    if session ~= 0 then
      skynet.retpack(result)
    end
  end)
end)
