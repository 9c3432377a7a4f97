-- A service whose file takes its time.

local hive = require "hive"

hive.sleep(0.03)

return {
  ready = function()
    return true
  end,
}
