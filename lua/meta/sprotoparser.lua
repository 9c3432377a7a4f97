---@meta sprotoparser

--- The schema language of sproto.
---@class sprotoparser
local sprotoparser = {}

--- The bytes of a schema, which programs in other languages can load as well. A mistake in the text
--- is an error with its line.
---@param text string
---@param name? string what messages call it
---@return string
function sprotoparser.parse(text, name) end

return sprotoparser
