-- A service that handles messages in the place of the host: its own `skynet.dispatch_message`
-- answers some by hand and leaves the others to the one that stood there before.

local skynet = require "skynet"
local core = require "skynet.core"

local values, seen = {}, 0
local dispatch_message = skynet.dispatch_message

function skynet.dispatch_message(protocol, msg, sz, session, source)
  if protocol ~= skynet.PTYPE_LUA then
    return dispatch_message(protocol, msg, sz, session, source)
  end
  seen = seen + 1
  local command, key, value = skynet.unpack(msg, sz)
  if command == "get" then
    core.send(source, skynet.PTYPE_RESPONSE, session, core.pack(values[key]))
  elseif command == "set" then
    values[key] = value
  elseif command == "fail" then
    error "expected by the test"
  elseif command ~= "never" then
    local passed, size = core.pack("passed", command)
    dispatch_message(protocol, passed, size, session, source)
  end
end

skynet.start(function()
  skynet.dispatch("lua", function(session, source, ...)
    if session > 0 then
      skynet.retpack(seen, source, ...)
    end
  end)
end)
