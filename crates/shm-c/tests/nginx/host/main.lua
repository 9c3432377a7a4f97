-- The host of the tests about libraries for nginx: called with what to do, how many services are
-- to do it, with which number, and what setup.lua is given; prints the result of each.

local hive = require "hive"

local what, count, number, name, libraries, scripts = ...

if what == "libraries" then
  require "setup"(name, libraries, scripts)
  require "libraries"("ours_", print)
elseif what == "lru" then
  require "setup"(name, libraries, scripts)
  require "lru"(print)
else
  local calls = {}
  for index = 1, tonumber(count) do
    local member = hive.spawn("member", name, libraries, scripts)
    calls[index] = { member, what, "ours_", tonumber(number) }
  end
  local answers, errors = hive.gather(calls, 60)
  for index = 1, #calls do
    print(errors and errors[index] or answers[index][1])
  end
end
hive.exit()
