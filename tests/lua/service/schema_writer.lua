-- Puts a schema into a slot, from where others load it also when this service has ended.

local loader = require "sprotoloader"
local parser = require "sprotoparser"

return {
  write = function(slot)
    loader.save(parser.parse ".Ping { number 0 : integer }", slot)
  end,
}
