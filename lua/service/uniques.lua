-- The standard service `hive.uniques`: starts services of which the host shall have only one.
--
-- What runs already is known by its registered name, so nothing is lost if this service ends.

local hive = require "hive"

-- Starts under way: name to the outcome, which is also the token of those who wait for it.
local starting = {}

-- An error as a table that can be sent.
local function plain(err)
  if type(err) ~= "table" then
    return { message = tostring(err) }
  end
  return { code = err.code, message = err.message, traceback = err.traceback }
end

-- Runs in a task of its own: the deadline of whoever asked first is not that of the start.
local function start(name, outcome, spawn, ...)
  local ok, result = pcall(hive.spawn, spawn, ...)
  starting[name] = nil
  if ok then
    outcome.service = result
  else
    outcome.err = plain(result)
  end
  while hive.wakeup(outcome) do
  end
end

return {
  -- The service of that name, or nil and why it cannot be started.
  start = function(name, spawn, ...)
    local outcome = starting[name]
    if not outcome then
      local service = hive.find(name)
      if service then
        return service
      end
      outcome = {}
      starting[name] = outcome
      spawn = type(spawn) == "table" and spawn or { spawn }
      spawn.register = name
      hive.fork(start, name, outcome, spawn, ...)
    end
    hive.wait(outcome)
    return outcome.service, outcome.err
  end,
}
