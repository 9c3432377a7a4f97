---@meta skynet.snax

--- Services whose file defines functions as fields of `accept` and `response`, and the globals `init`,
--- `exit` and `hotfix`.
local snax = {}

---@class skynet.SnaxObject
---@field handle integer
---@field type string
---@field post table<string, fun(...: any)> functions of `accept`: nobody waits for them
---@field req table<string, fun(...: any): ...> functions of `response`

--- Starts a service and calls its `init` with the arguments.
---@param name string
---@param ... any
---@return skynet.SnaxObject
function snax.newservice(name, ...) end

--- The same, but returns the service's address.
---@param name string
---@param ... any
---@return integer
function snax.rawnewservice(name, ...) end

--- The numbers of the methods of a service, by group and name; a message may name one by its number. And
--- the service's name, as `name`.
---@param name string
---@return table<string, table<string, integer>>
function snax.interface(name) end

--- Inside a snax service: takes the same messages by the protocol "lua" as well.
function snax.enablecluster() end

--- The service of that name that the host has once; starts it if need be.
---@param name string
---@param ... any
---@return skynet.SnaxObject
function snax.uniqueservice(name, ...) end

--- The same once somebody has started it.
---@param name string
---@return skynet.SnaxObject
function snax.queryservice(name) end

--- The service of that name that the cluster has once: another one than the host's, though there is one
--- node; starts it if need be.
---@param name string
---@param ... any
---@return skynet.SnaxObject
function snax.globalservice(name, ...) end

--- The same once somebody has started it.
---@param name string
---@return skynet.SnaxObject
function snax.queryglobal(name) end

--- An object for a service that runs.
---@param handle integer
---@param name string
---@return skynet.SnaxObject
function snax.bind(handle, name) end

--- The object of this service.
---@return skynet.SnaxObject
function snax.self() end

--- Ends a service, after its `exit` has run with the arguments.
---@param object skynet.SnaxObject
---@param ... any
function snax.kill(object, ...) end

--- Ends this service.
---@param ... any
function snax.exit(...) end

--- Replaces functions of a service that lives by those in `source`, all or none. Local names that it
--- declares without a value are the variables of the service. Returns what its function `hotfix`
--- returns.
---@param object skynet.SnaxObject
---@param source string
---@param ... any
---@return any ...
function snax.hotfix(object, source, ...) end

--- How often each function of a service ran, and for how many seconds, its waits not counted.
---@param object skynet.SnaxObject
---@return table<string, { count: integer, time: number }>
function snax.profile_info(object) end

--- Logs a formatted line.
---@param format string
---@param ... any
function snax.printf(format, ...) end

return snax
