-- A service for the suites: fails to start in the way it is told.

local way = ...
if way == "error" then
  error "broken on purpose"
end
return 42
