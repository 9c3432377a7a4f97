-- A service that starts a supervisor without children, linked to it or not.

local hive = require "hive"

return {
  supervise = function(linked)
    return hive.supervise({}, { link = linked })
  end,
}
