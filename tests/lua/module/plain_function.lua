-- A module that cannot be shared.

return {
  f = function() end,
}
