-- One of those who flood: it calls again and again, with a text to carry, and rests only when it is
-- refused.

local hive = require "hive"

local slow = ...
local text = ("x"):rep(1000)
local outcomes = {}

return {
  -- Calls until that moment.
  flood = function(deadline)
    while hive.now() < deadline do
      local ok, err = pcall(hive.call, { slow, timeout = 1 }, "work", text)
      local outcome = ok and "answer" or err.code
      outcomes[outcome] = (outcomes[outcome] or 0) + 1
      if outcome == "overload" then
        hive.sleep(0.5)
      end
    end
  end,
  outcomes = function()
    return outcomes
  end,
}
