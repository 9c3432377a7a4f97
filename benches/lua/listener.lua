-- The receiver of the wake benchmark: how old a message was when it came.

local hive = require "hive"

local span

return {
  note = function(sent)
    span = hive.now() - sent
  end,
  span = function()
    return span
  end,
}
