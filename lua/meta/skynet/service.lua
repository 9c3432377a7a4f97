---@meta skynet.service

--- Unique services that begin with a function in the place of a file.
local service = {}

--- Starts the service of that name, which runs `main` with the arguments as if it were its file; if
--- there is one, returns that one and does not look at `main`. `main` has no upvalue but `_ENV`.
---@param name string
---@param main? fun(...: any)
---@param ... any
---@return integer address
function service.new(name, main, ...) end

--- The address of the service of that name, once there is one.
---@param name string
---@return integer address
function service.query(name) end

--- Ends the service of that name; false if there is none.
---@param name string
---@return boolean
function service.close(name) end

return service
