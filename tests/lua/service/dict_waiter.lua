-- A service that waits for keys of the dictionary whose name it is given.

local shared = require "shared"

local dict = shared.open((...))

return {
  -- Answers once every call before it waits.
  ready = function()
    return true
  end,
  wait = function(...)
    return dict:wait(...)
  end,
  blpop = function(...)
    return dict:blpop(...)
  end,
  lock = function(key)
    local lock <close> = dict:lock(key, { timeout = 60 })
    return lock ~= nil
  end,
}
