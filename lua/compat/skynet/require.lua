-- The module `skynet.require`, which the loaders of programs ask for: the `require` of every
-- service is it already.

local skynet = require "skynet"

local module = { init = skynet.init, require = require }

-- The host runs by itself what modules want to have run.
function module.init_all() end

return module
