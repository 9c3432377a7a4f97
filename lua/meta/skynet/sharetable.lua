---@meta skynet.sharetable

--- Read-only tables that all services read in place, by names; `hive.share` finds the same ones.
local sharetable = {}

--- Runs a file, as it is now, with arguments, and shares the table that it returns under the file's name.
---@param source string
---@param ... any
function sharetable.loadfile(source, ...) end

--- The same for a text, under a name; `"@name"` names a file.
---@param name string
---@param source string
---@param ... any
function sharetable.loadstring(name, source, ...) end

--- Shares a table under a name, without the metatables of the tables in it.
---@param name string
---@param value table
function sharetable.loadtable(name, value) end

--- The table that a name stands for; no value if it stands for nothing.
---@param name? string
---@return table?
function sharetable.query(name) end

--- Those of a list of names, or of all, by name.
---@param names? string[]
---@return table<string, table>
function sharetable.queryall(names) end

--- Puts the current tables of the names in the place of older ones, wherever this service refers to
--- those or to tables in them.
---@param ... string
function sharetable.update(...) end

return sharetable
