-- The Lua half of the module `hive`: what calls functions of the program and lets them wait.
--
-- Gets the table of natives and returns it as the module.

local hive = ...
local deadline = hive.deadline
hive.deadline = nil

-- Runs `f` with a deadline: whatever waits longer inside raises the error `timeout`.
function hive.timeout(seconds, f, ...)
  local _ <close> = deadline(seconds)
  return f(...)
end

return hive
