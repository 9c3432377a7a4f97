-- A service for the suites: tells the arguments of its spawn.

local count, list = select("#", ...), { ... }

return {
  all = function()
    return count, list
  end,
}
