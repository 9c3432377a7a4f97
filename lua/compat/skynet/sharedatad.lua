-- The service `hive.sharedata`: knows the channel on which updates of each shared name are told.
-- The data itself is kept by the host.

local skynet = require "skynet"
local new_channel = require("skynet.multicast.core").new

local channels = {}

local command = {}

-- A channel for a new name; nil if there is such a name.
function command.claim(name)
  if not channels[name] then
    channels[name] = new_channel()
    return channels[name]
  end
end

-- The channel of a name, new or not.
function command.open(name)
  return channels[name] or command.claim(name)
end

-- Forgets a name; its channel, if there was such a name.
function command.drop(name)
  local channel = channels[name]
  channels[name] = nil
  return channel
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
