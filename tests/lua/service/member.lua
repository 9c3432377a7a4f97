-- A service that joins groups by itself.

local hive = require "hive"

return {
  join = function(name)
    hive.group(name):join()
  end,
}
