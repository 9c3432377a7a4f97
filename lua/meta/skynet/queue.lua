---@meta skynet.queue

--- Makes a critical section: a function that calls `f` with the arguments and returns its results, one
--- call at a time, in the order of arrival. A task inside may enter it again.
---@return fun(f: function, ...: any): ...
return function() end
