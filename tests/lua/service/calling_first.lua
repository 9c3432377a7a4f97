-- A service for the suites that calls while its file runs, which is in its first turn.

local echo = ...
local answer = echo:echo "answered"

return {
  answer = function()
    return answer
  end,
}
