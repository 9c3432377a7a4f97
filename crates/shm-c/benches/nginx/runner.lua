-- A service that runs loops for the comparison whenever it is told to, by way of the dictionary:
-- `order:N` says which and how often; the answer in `answer:N`: CPU seconds of the process, begin
-- and end in nanoseconds, the service.

local hive = require "hive"
local loops = require "loops"
local shared = require "shared"

local name, number = ...
local dict = shared.dict(name)
local order, answer = "order:" .. number, "answer:" .. number

local function run(what, times)
  local cpu, began = os.clock(), hive.now()
  loops[what](dict, times, number)
  local ended = hive.now()
  return ("%.9f %.0f %.0f %s"):format(os.clock() - cpu, began * 1e9, ended * 1e9, number)
end

hive.fork(function()
  local version
  while true do
    local changed
    changed, version = dict:wait(order, version)
    if changed then
      local what, times = dict:get(order):match "(%S+) (%d+)"
      dict:set(answer, run(what, tonumber(times)))
    end
  end
end)

return {}
