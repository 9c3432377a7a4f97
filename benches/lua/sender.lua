-- One sender: sends in batches and makes a call after each, so that queues stay short.

local hive = require "hive"

return {
  run = function(peer, n, batch)
    local sent = 0
    while sent < n do
      for i = 1, batch do
        hive.send(peer, "count", i)
      end
      sent = sent + batch
      peer:received()
    end
  end,
}
