-- The Lua half of the module `hive`: what calls functions of the program and lets them wait.
--
-- Gets the table of natives and returns it as the module.

local hive = ...
local deadline = hive.deadline
hive.deadline = nil

-- True for what can be called as a function.
local function callable(value)
  local metatable = debug.getmetatable(value)
  return metatable and metatable.__call
end

-- Runs `f` with a deadline: whatever waits longer inside raises the error `timeout`.
function hive.timeout(seconds, f, ...)
  local _ <close>, problem = deadline(seconds)
  if problem then
    error(("bad argument #1 to 'hive.timeout' (%s)"):format(problem), 2)
  elseif type(f) ~= "function" and not callable(f) then
    error(("bad argument #2 to 'hive.timeout' (function expected, got %s)"):format(type(f)), 2)
  end
  return f(...)
end

return hive
