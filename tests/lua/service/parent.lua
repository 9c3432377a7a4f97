-- A service that links others to itself and outlives them.

local hive = require "hive"

return {
  adopt = function(name)
    local child = hive.spawn(name)
    hive.link(child, function() end)
    return child
  end,
}
