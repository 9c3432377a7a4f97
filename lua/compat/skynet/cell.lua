-- The file of a service that begins with a function: gets the name, the function's code, and the
-- function's arguments.
--
-- The function runs where a start function does, and then the one that it gives to `skynet.start`,
-- if it does. `SERVICE_NAME` is that of this file, as on skynet, not the name under which the
-- service is known.

local name, code = ...
SERVICE_NAME = "service_cell"
local skynet = require "skynet"
local main = assert(load(code, "=" .. name, "b"))
local arguments = table.pack(select(3, ...))
local start = skynet.start

start(function()
  local start_function
  function skynet.start(f)
    start_function = f
  end
  main(table.unpack(arguments, 1, arguments.n))
  skynet.start = start
  if start_function then
    start_function()
  end
end)
