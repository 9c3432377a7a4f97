-- A function in the place of a value that has a `__call`.

local value = ...

return function(...)
  return value(...)
end
