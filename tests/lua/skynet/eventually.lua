-- Waits until a condition holds; an error if it never does.

local skynet = require "skynet"

return function(condition, ...)
  for _ = 1, 500 do
    if condition(...) then
      return
    end
    skynet.sleep(1)
  end
  error("it never happened", 2)
end
