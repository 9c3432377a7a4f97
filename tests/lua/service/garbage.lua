-- Makes garbage, and counts where its collector comes by.

local hive = require "hive"

local settings = ...
local is_inside = false
local counts = { inside = 0, outside = 0, forked = 0 }
local live = {}
for i = 1, settings.live do
  live[i] = { number = i, name = "name " .. i, place = { i, i } }
end

local Sentinel = {}

local function watch()
  setmetatable({}, Sentinel)
end

function Sentinel.__gc()
  local where = is_inside and "inside" or "outside"
  counts[where] = counts[where] + 1
  watch()
  if settings.exits and not is_inside then
    hive.exit "a finalizer has had enough"
  end
  if settings.forks and not is_inside then
    hive.fork(function()
      counts.forked = counts.forked + 1
    end)
  end
end

-- A change of the collector may collect, and what it finds here is nobody's message.
is_inside = true
watch()
if settings.collector then
  collectgarbage(settings.collector)
end
if settings.stops then
  collectgarbage()
  collectgarbage "step"
  collectgarbage "stop"
end
counts.inside, is_inside = 0, false

return {
  work = function()
    is_inside = true
    local garbage = {}
    for i = 1, settings.garbage or 60 do
      garbage[i] = { i, { i } }
    end
    is_inside = false
    return #live
  end,
  counts = function()
    return counts
  end,
}
