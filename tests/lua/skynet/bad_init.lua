-- A module whose init function fails.

require("skynet").init(function()
  error "in an init function of a module"
end)

return {}
