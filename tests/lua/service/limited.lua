-- A service for the suites that runs code it is sent.

return {
  run = function(code, ...)
    return assert(load(code, "=limited"))(...)
  end,
}
