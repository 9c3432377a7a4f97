-- A module for the suites that waits and calls while it loads.

local hive = require "hive"
hive.sleep(0.005)
local echo = hive.spawn "service.echo"
local answer = echo:echo(42)
hive.kill(echo)
return { answer = answer }
