-- A service for the suite of supervision: it starts when a gate lets it pass, and fails when that
-- refuses it.

local hive = require "hive"

local gate = ...

if not hive.call(gate, "pass") then
  error("it was refused", 0)
end

return {}
