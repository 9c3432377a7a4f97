-- What the services of a run load: reloaded and cleared from the code cache meanwhile.

local module = {}

function module.same(value)
  return value
end

return module
