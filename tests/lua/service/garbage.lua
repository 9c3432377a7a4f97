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
  if settings.forks and not is_inside then
    hive.fork(function()
      counts.forked = counts.forked + 1
    end)
  end
end

watch()
if settings.collector then
  collectgarbage(settings.collector)
end

return {
  work = function()
    is_inside = true
    local garbage = {}
    for i = 1, 60 do
      garbage[i] = { i, { i } }
    end
    is_inside = false
    return #live
  end,
  counts = function()
    return counts
  end,
}
