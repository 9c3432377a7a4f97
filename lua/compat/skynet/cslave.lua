-- The service `.cslave`: keeps those who wait for a name that nobody has yet. It runs once somebody
-- waits; from then on the host tells it of new names.

local core = require "skynet.core"
local skynet = require "skynet"
require "skynet.manager"

-- Names of one node, for which nobody waits, begin with it.
local POINT = ("."):byte()

-- What answers those who wait, by name.
local waiting = {}

local command = {}

function command.QUERYNAME(name)
  local address = core.named(name)
  if address or name:byte() == POINT then
    skynet.retpack(address)
  else
    waiting[name] = waiting[name] or {}
    table.insert(waiting[name], skynet.response())
  end
end

-- A service has got a name.
function command.NAMED(name)
  local address, responses = core.named(name), waiting[name]
  if address and responses then
    waiting[name] = nil
    for _, response in ipairs(responses) do
      response(true, address)
    end
  end
end

function command.REGISTER(name, address)
  skynet.name(name, address)
  skynet.retpack()
end

function command.LINK()
  skynet.retpack()
end

command.LINKMASTER = command.LINK

function command.CONNECT(id)
  error(("cannot connect to the harbor %s: there is one node"):format(tostring(id)), 0)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    local f = command[name]
    if not f then
      error(("the service .cslave has no command %s"):format(tostring(name)), 0)
    end
    f(...)
  end)
end)
