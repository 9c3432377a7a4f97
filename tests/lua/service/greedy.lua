-- A service for the suites that takes as many MiB as it is told.

return {
  grow = function(mebibytes)
    local kept = {} -- luacheck: ignore 241
    for i = 1, mebibytes do
      kept[i] = ("x"):rep(1 << 20) .. i
    end
    return true
  end,
}
