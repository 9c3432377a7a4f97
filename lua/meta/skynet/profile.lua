---@meta skynet.profile

--- How long a task runs, without the time in which it waits.
local profile = {
  resume = coroutine.resume,
  wrap = coroutine.wrap,
  yield = coroutine.yield,
}

--- Begins to measure the running task.
function profile.start() end

--- Seconds that the running task has run since; the measurement goes on.
---@return number
function profile.elapsed() end

--- Seconds that the running task has run since.
---@return number
function profile.stop() end

return profile
