-- A service for the suites that kills itself.

local hive = require "hive"

return {
  now = function()
    hive.kill(hive.self(), "tired")
    return "still here"
  end,

  -- Where no task can stop; computes without end if that is an error.
  in_sort = function(witness)
    pcall(table.sort, { 2, 1 }, function()
      hive.kill(hive.self(), "tired")
      hive.send(witness, "note", "still here")
    end)
    while true do
    end
  end,
}
