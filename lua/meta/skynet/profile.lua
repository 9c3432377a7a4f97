---@meta skynet.profile

--- How long coroutines run, without the time in which their task waits. Each has a clock of its own: that
--- of a task goes whenever it runs, that of another coroutine while it is resumed by this module.
local profile = {}

--- Begins to measure a coroutine, by default the running one.
---@param co? thread
function profile.start(co) end

--- Seconds that it has run since; the measurement goes on.
---@param co? thread
---@return number
function profile.elapsed(co) end

--- Seconds that it has run since.
---@param co? thread
---@return number
function profile.stop(co) end

--- As `coroutine.resume`, for coroutines that are measured.
---@param co thread
---@param ... any
---@return boolean, any ...
function profile.resume(co, ...) end

--- As `coroutine.yield`, for coroutines that are measured.
---@param ... any
---@return any ...
function profile.yield(...) end

--- As `coroutine.wrap`, for coroutines that are measured.
---@param f function
---@return fun(...: any): any ...
function profile.wrap(f) end

--- As `resume`; the clock of `from`, the task's coroutine, goes on.
---@param co thread
---@param from thread
---@param ... any
---@return boolean, any ...
function profile.resume_co(co, from, ...) end

--- As `yield`; the clock of `from`, the task's coroutine, goes on.
---@param from thread
---@param ... any
---@return any ...
function profile.yield_co(from, ...) end

return profile
