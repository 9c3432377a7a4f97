-- The module `skynet.datasheet`: tables that `skynet.datasheet.builder` has made, read by all
-- services in place; what they hold follows its updates.

local shared = require "skynet.sharedata.object"

local datasheet = {}

-- The object of that name, which cannot be written to.
function datasheet.query(name)
  local object = shared.query("datasheet:" .. tostring(name), name)
  return object or error(("there is no data sheet %s: create data first"):format(name), 2)
end

return datasheet
