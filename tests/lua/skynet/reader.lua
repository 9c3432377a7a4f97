-- A service that reads shared data.

local sharedata = require "skynet.sharedata"
local skynet = require "skynet"
local name = ...

skynet.start(function()
  local data = sharedata.query(name)
  skynet.dispatch("lua", function()
    skynet.retpack(data.list and data.list[1])
  end)
end)
