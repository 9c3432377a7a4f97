-- A service that passes every request on to another one without looking into it.

local skynet = require "skynet"
require "skynet.manager"
local target = ...

skynet.register_protocol {
  name = "system",
  id = skynet.PTYPE_SYSTEM,
  unpack = function(...)
    return ...
  end,
}

skynet.forward_type({ [skynet.PTYPE_LUA] = skynet.PTYPE_SYSTEM }, function()
  skynet.dispatch("system", function(session, _, msg, sz)
    if session == 0 then
      skynet.rawsend(target, "lua", msg, sz)
    else
      skynet.ret(skynet.rawcall(target, "lua", msg, sz))
    end
  end)
end)
