-- A service that is told of the end of others, and tells which it heard of.

local skynet = require "skynet"

local ended = {}

skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  unpack = function() end,
  dispatch = function(_, address)
    ended[address] = true
  end,
}

skynet.start(function()
  skynet.dispatch("lua", function(_, _, address)
    skynet.retpack(ended[address] == true)
  end)
end)
