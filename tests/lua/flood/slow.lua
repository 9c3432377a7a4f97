-- The service that is flooded: each request keeps a worker busy for a while.

local cost = ...

return {
  work = function()
    local sum = 0
    for i = 1, cost do
      sum = sum + i
    end
    return sum
  end,
  echo = function(value)
    return value
  end,
}
