-- A service that sees every request before it is handled, and changes some.

local skynet = require "skynet"

skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring }

local seen = 0

local function filter(protocol, msg, sz, session, source)
  seen = seen + 1
  if protocol == skynet.PTYPE_TEXT then
    local text = skynet.tostring(msg, sz)
    if text == "error" then
      error "expected by the test"
    elseif text == "nothing" then
      return nil
    end
    msg, sz = skynet.pack("text", text)
    return skynet.PTYPE_LUA, msg, sz, session, text == "foreign" and 77 or source
  end
  return protocol, msg, sz, session, source
end

skynet.filter(filter, function()
  skynet.dispatch("lua", function(_, source, ...)
    skynet.retpack(seen, source, skynet.messages(), ...)
  end)
end)
