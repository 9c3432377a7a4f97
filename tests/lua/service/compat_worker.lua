-- A service that says its number among the workers of the machine, and holds a key of a dictionary
-- as long as it lives, as locks for nginx do.
local ngx = require("compat.ngx").install()
local ffi = require "ffi"
local shared = require "shared"

local dict, key, held

local guard = ffi.metatype("struct { int is_held; }", {
  __gc = function()
    dict:delete(key)
  end,
})

return {
  number = ngx.worker.pid,
  hold = function(name, wanted)
    dict, key = shared.open(name), wanted
    held = guard(1)
    return dict:add(key, held.is_held == 1)
  end,
}
