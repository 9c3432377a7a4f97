-- A service that computes until it is ended, and tells before that it begins.

local hive = require "hive"

return {
  loop = function(witness)
    hive.send(witness, "note", "it begins")
    while true do
    end
  end,
}
