-- A service that makes one call once it has started, and waits for it.

local skynet = require "skynet"
local target, name = ...

skynet.start(function()
  skynet.fork(skynet.call, target, "lua", name)
end)
