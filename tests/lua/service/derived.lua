-- A service for the suites whose handlers inherit from others.

local base = {
  inherited = function()
    return "inherited"
  end,
}
return setmetatable({
  own = function()
    return "own"
  end,
}, { __index = setmetatable({}, { __index = base }) })
