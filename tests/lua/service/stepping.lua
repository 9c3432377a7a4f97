-- A service that counts, in the dictionary whose name it is given, the steps that it was asked for.

local shared = require "shared"

local dict = shared.open((...))

return {
  step = function()
    dict:incr("steps", 1, 0)
  end,
}
