-- A service that reads tables and loads modules over data.

local hive = require "hive"

-- Holds what it has loaded.
local held

return {
  memory = function()
    return collectgarbage "count" * 1024
  end,

  -- Publishes rows; gives the processor time of the publication alone.
  publish_rows = function(name, count)
    local rows = {}
    for i = 1, count do
      rows[i] = { id = i, name = "item_" .. i % 1000, price = i * 1.5 }
      if i % 50000 == 0 then
        hive.sleep(0)
      end
    end
    local cpu = os.clock()
    hive.share.publish(name, rows)
    return os.clock() - cpu
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
