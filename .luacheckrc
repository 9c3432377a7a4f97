-- Lint of Lua files: run `luacheck .` (Debian package lua-check).
std = "lua54"
max_line_length = 100
codes = true
-- `_` and names that begin with it are unused on purpose.
ignore = { "21./_.*" }
exclude_files = { "target", "lua/meta", "tests/**/bad" }
