-- Lint of Lua files: run `luacheck .` (Debian package lua-check).
std = "lua54"
max_line_length = 100
codes = true
-- What a service for skynet is called and where it lies.
globals = { "SERVICE_NAME", "SERVICE_PATH" }
-- `_` and names that begin with it are unused on purpose.
ignore = { "21./_.*" }
-- `unfinished.lua` is a syntax error on purpose; meta files only describe.
exclude_files = { "target", "lua/meta", "tests/**/unfinished.lua" }
-- Services of tests fill tables only to use memory up.
files["tests/lua/service"] = { ignore = { "241" } }
-- These run in nginx, by LuaJIT; its settings share two globals with the scripts.
files["lua/ffi"] = { std = "luajit" }
files["crates/shm-c/tests/binding"] = { std = "luajit" }
files["crates/shm-c/tests/kept"] = { std = "luajit" }
files["crates/shm-c/tests/nginx"] = { std = "ngx_lua" }
files["crates/shm-c/tests/nginx/host"] = { std = "lua54" }
-- A snax service fills groups of functions that its loader gives it.
local snax = { globals = { "accept", "response", "init", "exit" } }
files["tests/lua/skynet/counting.lua"] = snax
files["tests/lua/skynet/bad_snax.lua"] = snax
