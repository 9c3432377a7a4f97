-- A service that opens the dictionary whose name it is given.

local shared = require "shared"

local dict = shared.open((...))
local lock

return {
  hold = function(key)
    lock = dict:lock(key, { timeout = 1 })
    return lock ~= nil
  end,
  put = function(key, value)
    return (dict:set(key, value))
  end,
}
