---@meta skynet.harbor

--- Names for all nodes of a network, of which there is one.
local harbor = {}

--- Gives a service, by default this one, a name without a point.
---@param name string
---@param address? skynet.Address
function harbor.globalname(name, address) end

--- The address of that name; waits until there is one. Of a name that begins with a point, which
--- is one of this node, nil if nobody has it.
---@param name string
---@return integer?
function harbor.queryname(name) end

--- Returns when another node is gone: at once.
---@param id integer
function harbor.link(id) end

--- Raises that there is one node.
---@param id integer
function harbor.connect(id) end

--- Returns when the master is gone: at once.
function harbor.linkmaster() end

return harbor
