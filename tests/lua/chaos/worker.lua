-- A service that serves whatever the plan asks for, and refuses a request that comes twice.

local hive = require "hive"
local module = require "chaos.module"

-- The number of the last call of each task that calls.
local last = {}

local function note(from, id)
  if id <= (last[from] or 0) then
    error(("call %d of task %d came twice or late"):format(id, from), 0)
  end
  last[from] = id
end

return {
  echo = function(from, id, _)
    note(from, id)
    return module.same(id)
  end,
  slow = function(from, id, seconds)
    note(from, id)
    hive.sleep(seconds)
    return id
  end,
  fail = function(from, id)
    note(from, id)
    error { code = "planned", message = "as planned" }
  end,
  relay = function(from, id, other, seconds)
    note(from, id)
    return other:relayed(id, seconds)
  end,
  relayed = function(id, seconds)
    hive.sleep(seconds)
    return id
  end,
  drop = function(from, id)
    note(from, id)
    local _ <close> = hive.defer()
  end,
  later = function(from, id, seconds)
    note(from, id)
    local reply = hive.defer()
    hive.after(seconds, function()
      reply(id)
    end)
  end,
  die = function()
    hive.exit { code = "planned", message = "as planned" }
  end,
  bloat = function(from, id)
    note(from, id)
    local kept = {}
    while true do
      kept[#kept + 1] = ("x"):rep(1 << 16) .. #kept
    end
  end,
  hog = function()
    while true do
    end
  end,
  link = function(other)
    hive.link(other)
  end,
  note = function() end,
}
