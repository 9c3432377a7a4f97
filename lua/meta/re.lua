---@meta re

--- Patterns of `lpeg` in the notation of regular expressions and grammars.
---@class re
local re = {}

--- The pattern for a text; names in it (`%name`, `-> name`) are looked up in the definitions.
---@param source string
---@param definitions? table<string, any>
---@return lpeg.Pattern
function re.compile(source, definitions) end

---@param subject string
---@param source string
---@param init? integer
---@return any ...
function re.match(subject, source, init) end

--- The first and the last place of the first match.
---@param subject string
---@param source string
---@param init? integer
---@return integer? first
---@return integer? last
function re.find(subject, source, init) end

--- The subject with every match replaced, as by `pattern / replacement`.
---@param subject string
---@param source string
---@param replacement any
---@return string
function re.gsub(subject, source, replacement) end

--- Takes the classes (`%a` and so on) from the locale again.
function re.updatelocale() end

return re
