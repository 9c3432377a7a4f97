-- A service for the suites of links and supervision: it tells `recorder` of its start and of its
-- end in order, and fails when told.

local hive = require "hive"

local recorder, label, fails_at_start = ...

if recorder then
  hive.send(recorder, "note", "start " .. label)
end
if fails_at_start then
  error(label .. " cannot start", 0)
end

return {
  label = function()
    return label
  end,
  link = function(target)
    hive.link(target)
  end,
  unlink = function(target)
    return hive.unlink(target)
  end,
  fail = function(message)
    hive.exit { code = "broken", message = message }
  end,
  exit = function(reason)
    hive.exit(reason)
  end,
  -- Does not stop when asked.
  cling = function()
    hive.fork(function()
      while true do
        hive.sleep(10)
      end
    end)
  end,
  __exit = function(code)
    if recorder then
      hive.send(recorder, "note", code .. " " .. label)
    end
  end,
}
