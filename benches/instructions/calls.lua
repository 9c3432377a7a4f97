-- Calls: recursion, closures, varargs, tail calls, protected calls, coroutines.

local function fib(n)
  if n < 2 then
    return n
  end
  return fib(n - 1) + fib(n - 2)
end

local function counter()
  local n = 0
  return function(step)
    n = n + step
    return n
  end
end

local function sum(...)
  local total = 0
  for i = 1, select("#", ...) do
    total = total + (select(i, ...))
  end
  return total
end

local function down(n)
  if n == 0 then
    return "done"
  end
  return down(n - 1)
end

local ROUNDS <const> = 20000

assert(fib(22) == 17711)
local count = counter()
local generator = coroutine.wrap(function()
  while true do
    coroutine.yield(1)
  end
end)
for _ = 1, ROUNDS do
  count(1)
  assert(sum(1, 2, 3) == 6)
  local ok, n = pcall(count, 1)
  assert(ok and n > 0)
  count(generator())
end
assert(down(50000) == "done")
