-- Begins a service that has a start function: first what its modules want to have run before it, in
-- the order in which they asked, then the function.

local start = ...
for i = 2, select("#", ...) do
  select(i, ...)()
end
return start()
