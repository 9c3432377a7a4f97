-- A service that waits until the host ends.

local hive = require "hive"

for _ = 1, 10 do
  hive.spawn "empty"
end
print "ready"
return {}
