-- A service for the suites: tells another one how it ends.

local hive = require "hive"
local echo = ...

hive.fork(function()
  local _ <close> = setmetatable({}, {
    __close = function()
      hive.send(echo, "note", "closed")
    end,
  })
  hive.sleep(1000)
end)
hive.sleep(0)

return {
  __exit = function(code, message)
    hive.sleep(0.001)
    hive.call(echo, "note", ("exit %s %s"):format(code, message))
  end,
}
