---@meta skynet.core

--- The functions beneath `skynet`, with protocols by number; those that are not here are the ones of
--- `skynet` by the same names: `error genid harbor hpc now pack packstring redirect tostring trash
--- unpack`.
local core = {}

--- Sends a message. An answer under a new session goes to the handler that
--- `skynet.dispatch_unknown_response` has set.
---@param address skynet.Address
---@param protocol integer
---@param session? integer a new one by default; 0 for a message that nobody answers
---@param msg? skynet.Message | string
---@param sz? integer
---@return integer? session nothing if there is no such service
function core.send(address, protocol, session, msg, sz) end

--- Runs a command, such as `"REG"` or `"GETENV"`, with a text; nothing for one that there is not.
---@param name string
---@param parameter? string | number
---@return string?
function core.command(name, parameter) end

--- The same for a command that gives a number, such as `"STAT"`.
---@param name string
---@param parameter? string | number
---@return number?
function core.intcommand(name, parameter) end

--- The same for a command that gives an address, such as `"QUERY"`.
---@param name string
---@param parameter? string
---@return integer?
function core.addresscommand(name, parameter) end

--- Logs a line of a trace.
---@param tag string
---@param info string
function core.trace(tag, info) end

return core
