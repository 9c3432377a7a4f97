-- The service `.multicast`: keeps the channels of `skynet.multicast`, passes on what is published.

local skynet = require "skynet"

-- The subscribers of each channel: a set of addresses.
local channels = {}
local last = 0

local command = {}

function command.new()
  last = last + 1
  channels[last] = {}
  return last
end

function command.delete(_, number)
  channels[number] = nil
end

local function subscribers(number)
  return channels[number] or error(("there is no channel %s"):format(tostring(number)), 0)
end

function command.subscribe(source, number)
  subscribers(number)[source] = true
end

function command.unsubscribe(source, number)
  if channels[number] then
    channels[number][source] = nil
  end
end

function command.publish(source, number, message)
  local receivers = subscribers(number)
  for receiver in pairs(receivers) do
    if not skynet.redirect(receiver, source, skynet.PTYPE_MULTICAST, number, message) then
      receivers[receiver] = nil
    end
  end
end

skynet.start(function()
  skynet.dispatch("lua", function(_, source, name, ...)
    skynet.retpack(command[name](source, ...))
  end)
end)
