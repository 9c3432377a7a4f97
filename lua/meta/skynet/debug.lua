---@meta skynet.debug

--- What every service answers to messages of the protocol "debug".
local module = {}

--- Adds a command, or replaces one; it answers with `skynet.retpack`.
---@param name string
---@param f fun(...: any)
function module.reg_debugcmd(name, f) end

return module
