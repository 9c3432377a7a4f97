-- The services `console` and `debug_console` of a program that has no file of that name: say once
-- that there is no console, and stay, so that programs start that begin with them.

local skynet = require "skynet"

skynet.start(function()
  local text = "there is no %s, since there are no sockets for it; in its place: "
    .. 'skynet.call(address, "debug", "STAT") and its like, and what .launcher answers'
  skynet.error(text:format(SERVICE_NAME))
end)
