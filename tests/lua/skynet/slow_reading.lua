-- Keeps two messages, and passes them on together: one that it answers, and one that it reads for
-- as long as the other's caller has no answer.

local skynet = require "skynet"

local ROUNDS_MAX = 20000000
local kept, seen = {}, nil
local pass_on = skynet.dispatch_message

local function read(msg, sz)
  local key = skynet.unpack(msg, sz)
  for _ = 1, ROUNDS_MAX do
    if skynet.getenv(key) then
      seen = true
      return key
    end
  end
  seen = false
  return key
end

skynet.register_protocol { name = "slow", id = 50, pack = skynet.pack, unpack = read }

function skynet.dispatch_message(protocol, msg, sz, session, source)
  if not kept or (protocol ~= 50 and protocol ~= skynet.PTYPE_LUA) then
    return pass_on(protocol, msg, sz, session, source)
  end
  kept[#kept + 1] = { protocol, skynet.tostring(msg, sz), nil, session, source }
  if #kept == 2 then
    local both = kept
    kept = nil
    table.sort(both, function(a, b)
      return a[1] < b[1]
    end)
    for _, message in ipairs(both) do
      pass_on(table.unpack(message, 1, 5))
    end
  end
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name)
    if name == "seen" then
      return skynet.retpack(seen)
    end
    skynet.retpack(name)
  end)
  skynet.dispatch("slow", function() end)
end)
