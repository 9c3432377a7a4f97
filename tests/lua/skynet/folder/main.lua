-- A service in a folder of its own.

local skynet = require "skynet"

skynet.start(function()
  skynet.dispatch("lua", function()
    skynet.retpack(SERVICE_NAME, SERVICE_PATH)
  end)
end)
