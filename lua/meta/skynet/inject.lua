---@meta skynet.inject

--- Runs a piece of code inside this service; `print` in it notes a line. It finds the tables among the upvalues
--- of the handlers in `_U`, and in `_P` by the names of their protocols. The module `skynet` may stand before
--- `source`, and functions whose upvalues are to be seen as well behind `arguments`.
---@param source string
---@param filename? string
---@param arguments? table as `table.pack` makes it
---@param ... function
---@return boolean ok
---@return string[] output the lines that it printed, and why it failed
local function inject(source, filename, arguments, ...) end

return inject
