-- A service with ten modules of 500 lines (`benches/hive/modules.rs` writes them).

for i = 1, 10 do
  require("module_" .. i)
end

return {
  memory = function()
    collectgarbage()
    collectgarbage()
    return collectgarbage "count" * 1024
  end,
}
