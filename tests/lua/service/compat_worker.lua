-- A service that says its number among the workers of the machine.
local ngx = require("compat.ngx").install()

return {
  number = ngx.worker.pid,
}
