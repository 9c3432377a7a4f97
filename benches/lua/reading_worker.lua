-- A service with ten modules of 500 lines that reads every row of their data when it starts.

local worker = require "worker"

local read = 0
for i = 1, 10 do
  for _, row in ipairs(require("module_" .. i).rows) do
    read = read + row.id + #row.tags
  end
end
assert(read > 0)

return worker
