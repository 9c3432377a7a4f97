-- A script that ends while two of its calls are under way: one that it wants, and one it lets go.

local hive = require "hive"

local echo = ...
hive.select({ { echo, "sleep", 60 } }):cancel()
local calls = hive.select { { echo, "sleep", 0.01 } }
hive.fork(function()
  local _, ok = calls()
  hive.send(echo, "note", ok and "answered" or "failed")
end)
