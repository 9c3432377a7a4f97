-- `sproto`: messages by a schema, and requests with their responses over them.
--
-- A schema object finds types and protocols by name and remembers them, so that a message costs one
-- table access beside the codec. A host reads what a peer sends: each package is a header (the type
-- that is called "package" by default) with the content behind it, packed together.

local core = require "sproto.core"

local assert, error, setmetatable, type = assert, error, setmetatable, type

local sproto = { pack = core.pack, unpack = core.unpack }
local schema_metatable = { __index = sproto }

local host = {}
local host_metatable = { __index = host }

-- A schema that is already in memory, such as one from a shared slot.
function sproto.sharenew(schema)
  return setmetatable({ __cobj = schema, __tcache = {}, __pcache = {} }, schema_metatable)
end

-- A schema from its bytes.
function sproto.new(bytes)
  return sproto.sharenew(assert(core.newproto(bytes)))
end

-- A schema from its text.
function sproto.parse(text, name)
  local parser = require "sprotoparser"
  return sproto.new(parser.parse(text, name))
end

local function find_type(self, name)
  local found = self.__tcache[name]
  if not found then
    found = core.querytype(self.__cobj, name)
    self.__tcache[name] = found
  end
  return found
end

local function check_type(self, name)
  return find_type(self, name) or error(("type %s not found"):format(name), 3)
end

local function find_protocol(self, name)
  local found = self.__pcache[name]
  if not found then
    local other, request, response = core.protocol(self.__cobj, name)
    if not other then
      return nil
    end
    found = { name = name, tag = other, request = request, response = response }
    if type(name) == "number" then
      found.name, found.tag = other, name
    end
    self.__pcache[found.name] = found
    self.__pcache[found.tag] = found
  end
  return found
end

local function check_protocol(self, name)
  return find_protocol(self, name) or error(("protocol %s not found"):format(name), 3)
end

-- What there is to know of a protocol: `name`, `tag`, and its types `request` and `response`.
function sproto:queryproto(name)
  return check_protocol(self, name)
end

function sproto:exist_type(name)
  return find_type(self, name) ~= nil
end

function sproto:exist_proto(name)
  return find_protocol(self, name) ~= nil
end

function sproto:encode(name, value)
  return core.encode(check_type(self, name), value)
end

function sproto:decode(name, ...)
  return core.decode(check_type(self, name), ...)
end

function sproto:pencode(name, value)
  return core.pack(core.encode(check_type(self, name), value))
end

function sproto:pdecode(name, ...)
  return core.decode(check_type(self, name), core.unpack(...))
end

function sproto:request_encode(name, value)
  local protocol = check_protocol(self, name)
  local message = protocol.request and core.encode(protocol.request, value)
  return message or "", protocol.tag
end

function sproto:request_decode(name, ...)
  local protocol = check_protocol(self, name)
  local value = protocol.request and core.decode(protocol.request, ...)
  return value or nil, protocol.name
end

function sproto:response_encode(name, value)
  local protocol = check_protocol(self, name)
  return protocol.response and core.encode(protocol.response, value) or ""
end

function sproto:response_decode(name, ...)
  local protocol = check_protocol(self, name)
  if protocol.response then
    return core.decode(protocol.response, ...)
  end
end

-- A table with the defaults of a type, or of what a protocol's "REQUEST" or "RESPONSE" carries.
function sproto:default(name, part)
  if part == nil then
    return core.default(check_type(self, name))
  end
  local protocol = check_protocol(self, name)
  local content
  if part == "REQUEST" then
    content = protocol.request
  elseif part == "RESPONSE" then
    content = protocol.response
  else
    error(("REQUEST or RESPONSE expected, got %s"):format(part), 2)
  end
  return content and core.default(content)
end

-- Reads the packages of a peer; `name` is the type of their headers.
function sproto:host(name)
  return setmetatable({
    __proto = self,
    __package = check_type(self, name or "package"),
    __session = {},
  }, host_metatable)
end

-- Header and content as one package.
local function package(header_type, header, content_type, content, pack)
  local message = core.encode(header_type, header)
  if content_type then
    message = message .. core.encode(content_type, content)
  end
  return (pack or core.pack)(message)
end

local function responder(self, response, session)
  return function(value, ud, pack)
    return package(self.__package, { session = session, ud = ud }, response, value, pack)
  end
end

-- "REQUEST", name, value, function that makes the response's package (nil if none is wanted), ud;
-- or "RESPONSE", session, value, ud.
function host:dispatch(...)
  local message = core.unpack(...)
  local header, size = core.decode(self.__package, message, {})
  local session = header.session
  local content = message:sub(size + 1)
  if header.type then
    local protocol = check_protocol(self.__proto, header.type)
    local value
    if protocol.request then
      value = core.decode(protocol.request, content)
    end
    local respond = session and responder(self, protocol.response, session)
    return "REQUEST", protocol.name, value, respond, header.ud
  end
  if not session then
    error("session not found: the package has no type either, it is no request and no response", 2)
  end
  local response = self.__session[session]
  if not response then
    error(("Unknown session %d: it waits for no response"):format(session), 2)
  end
  self.__session[session] = nil
  local value
  if response ~= true then
    value = core.decode(response, content)
  end
  return "RESPONSE", session, value, header.ud
end

-- A function that makes the packages of requests by the peer's schema: name, value, session (nil if
-- no response is wanted), ud, pack.
function host:attach(schema)
  return function(name, value, session, ud, pack)
    local protocol = check_protocol(schema, name)
    local header = { type = protocol.tag, session = session, ud = ud }
    local made = package(self.__package, header, protocol.request, value, pack)
    if session then
      self.__session[session] = protocol.response or true
    end
    return made
  end
end

return sproto
