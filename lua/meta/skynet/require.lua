---@meta skynet.require

--- What the loaders of programs ask for: the `require` of every service is it already.
local module = {}

--- As `skynet.init`.
---@param f function
function module.init(f) end

--- The `require` of every service.
---@param name string
---@return any
function module.require(name) end

--- Does nothing: the host runs by itself what modules want to have run.
function module.init_all() end

return module
