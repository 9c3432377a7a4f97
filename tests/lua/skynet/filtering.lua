-- A service that sees every request before it is handled, and changes some. With an argument what
-- it gives are no functions, but values that can be called like them.

local skynet = require "skynet"
local gives_values = ...

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

local function start()
  skynet.dispatch("lua", function(_, source, ...)
    skynet.retpack(seen, source, skynet.messages(), ...)
  end)
end

local function callable(f)
  return setmetatable({}, {
    __call = function(_, ...)
      return f(...)
    end,
  })
end

if gives_values then
  skynet.forward_type({}, callable(start))
  skynet.filter(callable(filter), callable(function() end))
else
  skynet.filter(filter, start)
end
