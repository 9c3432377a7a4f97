-- A service for the suites that kills itself.

local hive = require "hive"

return {
  now = function()
    hive.kill(hive.self(), "tired")
    return "still here"
  end,
}
