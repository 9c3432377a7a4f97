---@meta skynet.sharedata

--- Read-only data that all services see by a name; what they hold follows its updates.
local sharedata = {}

--- Publishes a table, or what a text or a file (`"@name"`, as it is now) gives, under a new name.
---@param name string
---@param value? table | string
---@param ... any
function sharedata.new(name, value, ...) end

--- Replaces it for everybody who holds it.
---@param name string
---@param value? table | string
---@param ... any
function sharedata.update(name, value, ...) end

--- Takes a name away; who holds the data keeps what it saw last.
---@param name string
function sharedata.delete(name) end

--- The data of that name. It is an error if there is none.
---@param name string
---@return table
function sharedata.query(name) end

--- A copy of the data, or of the part that the keys lead to.
---@param name string
---@param ... any
---@return any
function sharedata.deepcopy(name, ...) end

--- Lets go of what this service does not use.
function sharedata.flush() end

return sharedata
