-- A module that is loaded after the start of its service.

local skynet = require "skynet"
local order = {}

skynet.init(function()
  skynet.sleep(1)
  order[#order + 1] = "init"
end)

return order
