-- Waiting for a number of tasks: each calls `done` when it is through.

local hive = require "hive"

local latch = {}
latch.__index = latch

-- A latch for `count` tasks.
---@param count integer
function latch.new(count)
  return setmetatable({ left = count }, latch)
end

-- One task less to wait for.
function latch:done()
  self.left = self.left - 1
  if self.left == 0 then
    hive.wakeup(self)
  end
end

-- Waits until all are done; false if that takes longer than the seconds.
---@param seconds? number
---@return boolean
function latch:wait(seconds)
  return self.left <= 0 or hive.wait(self, seconds)
end

return latch
