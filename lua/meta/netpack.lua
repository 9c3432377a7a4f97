---@meta skynet.netpack

--- Frames with two bytes of length, big-endian, between a gate and its clients.
---@class netpack
local netpack = {}

--- A frame with this content, as a message pointer and its size: send it or trash it.
---@param content string|lightuserdata up to 65,535 bytes
---@param size? integer of a message pointer, which stays with the program
---@return lightuserdata msg
---@return integer sz
---@overload fun(msg: lightuserdata, sz: integer): lightuserdata, integer
function netpack.pack(content, size) end

--- The content of a message as a string; the pointer is used up.
---@param msg lightuserdata
---@param sz integer
---@return string
function netpack.tostring(msg, sz) end

--- Reads a message of the protocol "socket" (`skynet.pack("data", connection, bytes)`). Returns the
--- queue and what happened: "data", connection, msg and sz for one whole frame; "more" for several,
--- which `netpack.pop` gives; nothing for a part of one. Other messages pass through.
---@param queue userdata? nil at first; then what the call before has returned
---@param msg lightuserdata
---@param sz integer
---@return userdata queue
---@return string? event
---@return any ...
function netpack.filter(queue, msg, sz) end

--- The oldest whole frame that waits; nothing if there is none.
---@param queue userdata?
---@return integer? connection
---@return lightuserdata? msg
---@return integer? sz
function netpack.pop(queue) end

--- Drops all frames, also those that have only begun.
---@param queue userdata?
function netpack.clear(queue) end

return netpack
