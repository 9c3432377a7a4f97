-- A unique service that fails to start when it is told so.

local skynet = require "skynet"
local mode = ...

skynet.start(function()
  if mode == "fail" then
    error "in the start"
  end
  skynet.dispatch("lua", function()
    skynet.retpack "works"
  end)
end)
