-- A service for the suites that keeps the message pointers it gets until it is told to trash them.

local skynet = require "skynet"

local kept = {}
local command = {}

function command.count()
  return #kept
end

function command.trash()
  for _, own in ipairs(kept) do
    skynet.trash(own[1], own[2])
  end
  kept = {}
end

skynet.register_protocol { name = "kept", id = 201 }

skynet.forward_type({ [200] = 201 }, function()
  skynet.dispatch("kept", function(_, _, msg, size)
    kept[#kept + 1] = { msg, size }
  end)
  skynet.dispatch("lua", function(_, _, name)
    skynet.retpack(command[name]())
  end)
end)
