-- The service `.launcher`: lists the services of the host and asks them for figures.

local skynet = require "skynet"
local services = require("skynet.core").services

-- The address in a command: a number, or a text like `:0000002a`.
local function number_of(address)
  return type(address) == "string" and tonumber("0x" .. address:sub(2)) or address
end

-- What `ask` makes of every service, by the text of its address.
local function each(ask)
  local list = {}
  for address, launched in pairs(services()) do
    if address ~= skynet.self() then
      list[skynet.address(address)] = ask(address, launched)
    end
  end
  return list
end

-- Answers of all services to a debugging command, or why there is none.
local function asked(command, show)
  return each(function(address, launched)
    local ok, result = pcall(skynet.call, address, "debug", command)
    return ok and show(result, launched) or ("ERROR (%s): %s"):format(launched, result)
  end)
end

local function memory(kilobytes, launched)
  return ("%.2f Kb (%s)"):format(kilobytes, launched)
end

local command = {}

function command.LIST()
  return each(function(_, launched)
    return launched
  end)
end

function command.STAT()
  return asked("STAT", function(figures)
    return figures
  end)
end

function command.MEM()
  return asked("MEM", memory)
end

function command.GC()
  return asked("GC", memory)
end

function command.KILL(address)
  address = number_of(address)
  local launched = services()[address]
  skynet.kill(address)
  return { [skynet.address(address)] = tostring(launched) }
end

-- A service has ended: the host knows.
function command.REMOVE() end

function command.LAUNCH(_, name, ...)
  return skynet.newservice(name, ...)
end

command.LOGLAUNCH = command.LAUNCH

function command.QUERY() end

skynet.start(function()
  skynet.dispatch("lua", function(session, _, name, ...)
    local f = command[type(name) == "string" and name:upper()]
    if not f then
      error(("the launcher has no command %s"):format(tostring(name)), 0)
    end
    local result = f(...)
    if session ~= 0 then
      skynet.retpack(result)
    end
  end)
end)
