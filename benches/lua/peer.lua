-- The callee of the call benchmark, and the receiver of the send benchmark.

local received = 0

return {
  add = function(n)
    return n + 1
  end,
  count = function()
    received = received + 1
  end,
  received = function()
    return received
  end,
}
