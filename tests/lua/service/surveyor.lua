-- A service that checks and repairs the dictionary whose name it is given, for ever.

local shared = require "shared"

local dict = shared.open((...))

return {
  run = function()
    while true do
      assert(#dict:check() == 0)
      assert(dict:repair())
      dict:incr("rounds", 1, 0)
    end
  end,
}
