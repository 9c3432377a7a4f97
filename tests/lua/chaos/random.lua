-- Random numbers that depend on a seed alone, on every machine: a xorshift of 64 bits.

return function(seed)
  local x = seed * 2654435761 | 1
  -- A number from 1 to n.
  return function(n)
    x = x ~ (x << 13)
    x = x ~ (x >> 7)
    x = x ~ (x << 17)
    return (x >> 1) % n + 1
  end
end
