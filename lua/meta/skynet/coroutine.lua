---@meta skynet.coroutine

--- Lua's own library, in which waiting works, and what belongs to tasks.
---@class skynet.coroutine: coroutinelib
local module = {}

--- The coroutine of the task that runs `co` (or this code), and whether that is `co` itself.
---@param co? thread
---@return thread task
---@return boolean is_task
function module.thread(co) end

return module
