-- `skynet.init` and `skynet.require`: what a module wants to have run once it is loaded.

local skynet = ...
local before_start = require("skynet.core").before_start
local require = require

-- Runs `f` before the start function or, in a module that is loaded later, when its file has
-- returned. It may wait.
function skynet.init(f)
  assert(type(f) == "function", "skynet.init expects a function")
  if not before_start(f) and not require(f) then
    f()
  end
end

-- The `require` of every service: a module may wait while it loads.
skynet.require = require
