-- A service that listens to a channel, and tells what it heard last.

local multicast = require "skynet.multicast"
local skynet = require "skynet"
local number = ...

skynet.start(function()
  local last = ""
  local channel = multicast.new {
    channel = number,
    dispatch = function(from, source, ...)
      last = table.concat({ from.channel, source, ... }, " ")
    end,
  }
  channel:subscribe()
  skynet.dispatch("lua", function()
    skynet.retpack(last)
  end)
end)
