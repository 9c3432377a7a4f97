-- A service that asks for unique services.

local hive = require "hive"

return {
  unique = function(name)
    return hive.unique(name)
  end,
}
