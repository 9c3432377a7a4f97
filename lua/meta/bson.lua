---@meta bson

--- Documents of MongoDB.
---@class bson
---@field null string
---@field minkey string
---@field maxkey string
local bson = {}

--- A document: `tostring` gives its bytes, `#` their number.
---@class bson.Document: userdata
local document = {}

--- The table that the document describes.
---@return table
function document:decode() end

--- Lets fields of fixed size be replaced by assignment.
---@return bson.Document
function document:makeindex() end

---@param value table
---@return bson.Document
function bson.encode(value) end

--- A document with its fields in this order.
---@param ... any key, value, key, value
---@return bson.Document
function bson.encode_order(...) end

---@param document bson.Document|string
---@return table
function bson.decode(document) end

--- Lets fields of fixed size be replaced by assignment; returns the document.
---@param document bson.Document
---@return bson.Document
function bson.makeindex(document) end

--- Binary data.
---@param bytes string
---@param subtype? integer 0 to 255, 0 by default
---@return string
function bson.binary(bytes, subtype) end

--- A point in time.
---@param seconds integer since 1970
---@return string
function bson.date(seconds) end

--- An integer that takes 64 bits in the document, however small.
---@param number integer
---@return string
function bson.int64(number) end

--- A new object id, or the one that 24 hexadecimal digits stand for.
---@param digits? string
---@return string
function bson.objectid(digits) end

---@param pattern string
---@param options? string
---@return string
function bson.regex(pattern, options) end

--- A timestamp of the replication log.
---@param seconds integer
---@param increment? integer the next of the process by default
---@return string
function bson.timestamp(seconds, increment) end

--- The name of a value's type ("number", "boolean", "table", "nil", "string", "binary", "objectid",
--- "date", "timestamp", "int64", "regex", "minkey", "maxkey", "unsupported") and what it holds.
---@param value any
---@return string name
---@return any ...
function bson.type(value) end

return bson
