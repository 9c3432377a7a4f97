-- One caller of many, with a peer of its own.

local hive = require "hive"
local peer = hive.spawn "peer"

return {
  run = function(n)
    for i = 1, n do
      peer:add(i)
    end
  end,
}
