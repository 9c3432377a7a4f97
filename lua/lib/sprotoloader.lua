-- `sprotoloader`: schemas in numbered slots, parsed once and shared by all services of the process.

local core = require "sproto.core"
local parser = require "sprotoparser"
local sproto = require "sproto"

local loader = {}

-- Parses a file into a slot.
function loader.register(filename, slot)
  local file = assert(io.open(filename, "rb"))
  local text = file:read "a"
  file:close()
  loader.save(parser.parse(text, filename), slot)
end

-- Puts a schema, given as its bytes, into a slot.
function loader.save(bytes, slot)
  core.saveproto(assert(core.newproto(bytes)), slot)
end

-- The schema in a slot.
function loader.load(slot)
  return sproto.sharenew(core.loadproto(slot))
end

return loader
