---@meta sproto

--- Messages by a schema, and requests with their responses over them.
---@class sproto
local sproto = {}

--- What there is to know of a protocol.
---@class sproto.Protocol
---@field name string
---@field tag integer
---@field request? userdata type of what the request carries
---@field response? userdata type of what the response carries

--- Reads the packages of a peer and makes those for it.
---@class sproto.Host
local host = {}

--- A schema from its text.
---@param text string
---@param name? string what messages call it
---@return sproto
function sproto.parse(text, name) end

--- A schema from its bytes (`sprotoparser.parse` makes them).
---@param bytes string
---@return sproto
function sproto.new(bytes) end

--- A schema that is in memory already.
---@param schema userdata
---@return sproto
function sproto.sharenew(schema) end

---@param name string of a type
---@param value table
---@return string
function sproto:encode(name, value) end

--- The table and how many bytes it took. A table that is given is filled and returned.
---@param name string of a type
---@param message string
---@param into? table
---@return table value
---@return integer size
function sproto:decode(name, message, into) end

--- Encodes and packs.
---@param name string of a type
---@param value table
---@return string
function sproto:pencode(name, value) end

--- Unpacks and decodes.
---@param name string of a type
---@param packed string
---@return table value
---@return integer size
function sproto:pdecode(name, packed) end

--- Takes the zeros out of a message.
---@param message string
---@return string
function sproto.pack(message) end

--- The opposite; up to seven zeros stay behind the message.
---@param packed string
---@return string
function sproto.unpack(packed) end

---@param name string of a type
---@return boolean
function sproto:exist_type(name) end

---@param name string|integer of a protocol, or its tag
---@return boolean
function sproto:exist_proto(name) end

---@param name string|integer of a protocol, or its tag
---@return sproto.Protocol
function sproto:queryproto(name) end

--- A table with the default of each field of a type, or of what a protocol carries.
---@param name string|integer
---@param part? "REQUEST"|"RESPONSE"
---@return table?
function sproto:default(name, part) end

---@param name string|integer of a protocol
---@param value? table
---@return string message
---@return integer tag
function sproto:request_encode(name, value) end

---@param name string|integer of a protocol
---@param message string
---@return table? value
---@return string name
function sproto:request_decode(name, message) end

---@param name string|integer of a protocol
---@param value? table
---@return string
function sproto:response_encode(name, value) end

---@param name string|integer of a protocol
---@param message string
---@return table?
function sproto:response_decode(name, message) end

--- Reads packages whose header is of this type, "package" by default.
---@param name? string
---@return sproto.Host
function sproto:host(name) end

--- What a package is: "REQUEST", name, value, the function that makes the response's package (nil if
--- none is wanted) and the header's `ud`; or "RESPONSE", session, value, `ud`.
---@param package string
---@return "REQUEST"|"RESPONSE" kind
---@return string|integer name_or_session
---@return table? value
---@return any respond_or_ud
---@return any ud
function host:dispatch(package) end

--- A function that makes the packages of requests by the peer's schema.
---@param schema sproto
---@return fun(name: string|integer, value?: table, session?: integer, ud?: any, pack?: function): string
function host:attach(schema) end

return sproto
