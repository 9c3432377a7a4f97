-- The callee of the benchmarks of calls and of large strings, and the receiver of that of sends.

local received = 0

return {
  add = function(n)
    return n + 1
  end,
  echo = function(text)
    return text
  end,
  length = function(text)
    return #text
  end,
  count = function()
    received = received + 1
  end,
  received = function()
    return received
  end,
}
