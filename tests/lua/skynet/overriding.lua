-- A service that puts a function of its own into the module before it uses others of the same part.

local skynet = require "skynet"

function skynet.queryservice(name)
  return "own " .. name
end

skynet.start(function()
  local unique = skynet.uniqueservice "skynet/peer"
  skynet.dispatch("lua", function()
    skynet.retpack(skynet.queryservice "x", math.type(unique))
  end)
end)
