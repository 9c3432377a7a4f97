-- Reads messages by a schema that another service has put into a slot.

local loader = require "sprotoloader"

return {
  read = function(slot, message)
    return loader.load(slot):decode("Ping", message).number
  end,
}
