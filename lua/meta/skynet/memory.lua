---@meta skynet.memory

--- Lua memory of services, in bytes.
local memory = {}

--- Of all services together.
---@return integer
function memory.total() end

--- How many services use memory.
---@return integer
function memory.block() end

--- By address.
---@return table<integer, integer>
function memory.info() end

--- Of this service.
---@return integer
function memory.current() end

--- Logs what `info` returns.
function memory.dump() end

--- Figures of the allocator of C programs, which the host has not: these log that and give nothing.
---@param name string
---@return integer zero
function memory.mallctl(name) end

function memory.jestat() end

---@return boolean active false
function memory.profactive() end

function memory.dumpheap() end

return memory
