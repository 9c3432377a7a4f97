-- A service that reads tables and loads modules over data.

local hive = require "hive"

-- Holds what it has loaded.
local held

return {
  memory = function()
    return collectgarbage "count" * 1024
  end,

  sum = function(name, count)
    held = hive.share.get(name)
    local sum = 0
    for i = 1, count do
      sum = sum + held[i].price
    end
    collectgarbage()
    return sum
  end,

  load = function(folder, names, is_shared)
    package.path = folder .. "/?.lua"
    local load_data = is_shared and hive.share.require or require
    held = {}
    for i, name in ipairs(names) do
      local file = assert(package.searchpath(name, package.path))
      held[i] = assert(loadfile(file))(load_data(name .. "_data"))
    end
    collectgarbage()
  end,
}
