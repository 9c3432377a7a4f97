-- A service for the suite of traces: tells the id of its request, alone and through others.

local hive = require "hive"

local own_log = {}

local function id()
  return hive.request_id()
end

return {
  id = id,
  -- Its own id and that of another service.
  ids = function(other)
    return id(), other:id()
  end,
  -- Ids of what begins within the request.
  ids_of_tasks = function()
    local ids, done = {}, {}
    local function note(name)
      ids[name] = id() or "none"
      if ids.fork and ids.after and ids.select then
        hive.wakeup(done)
      end
    end
    hive.fork(note, "fork")
    hive.after(0.001, note, "after")
    local answers = hive.gather { { hive.spawn "service.traced", "id" } }
    ids.select = answers[1][1]
    if not (ids.fork and ids.after) then
      hive.wait(done)
    end
    return ids
  end,
  note = function()
    own_log[#own_log + 1] = id()
  end,
  noted = function()
    return own_log
  end,
  nap = function()
    hive.sleep(0.002)
    return "rested"
  end,
  fail = function()
    error("on purpose", 0)
  end,
  relay = function(other, method)
    return other[method](other)
  end,
}
