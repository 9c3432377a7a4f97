-- A service whose own `skynet.dispatch_message` keeps messages until there are three, and passes
-- them on together; each goes with the one who sent it.

local skynet = require "skynet"

local SIZE = 3
local kept, rounds = {}, 0
local pass_on = skynet.dispatch_message

function skynet.dispatch_message(protocol, msg, sz, session, source)
  if protocol ~= skynet.PTYPE_LUA then
    return pass_on(protocol, msg, sz, session, source)
  end
  rounds = rounds + 1
  kept[#kept + 1] = { protocol, skynet.tostring(msg, sz), nil, session, source }
  if #kept == SIZE then
    local batch = kept
    kept = {}
    for _, message in ipairs(batch) do
      pass_on(table.unpack(message, 1, 5))
    end
  end
end

skynet.start(function()
  skynet.dispatch("lua", function(session, source, name)
    if name == "again" then
      local msg, sz = skynet.pack "done"
      return pass_on(skynet.PTYPE_LUA, msg, sz, session, source)
    end
    if name == "late" then
      skynet.sleep(1)
    end
    skynet.retpack(name, rounds)
  end)
end)
