-- Does what kept.c does, through the binding for LuaJIT: kept.lua LIBRARY PATH ABSENT.

local shm = require("moonhive_shm")

shm.load(arg[1])
local path, absent = arg[2], arg[3]
local kept = assert(shm.open("kept", { file = path, size = "64k" }))
local visits = kept:incr("visits", 1, 0)
assert(kept:sync())
kept:close()
assert(not pcall(kept.sync, kept))

local function refused(opened, reason)
  assert(opened == nil and reason:find(path, 1, true), reason)
end

refused(shm.create("kept", { file = path }))
path = absent
refused(shm.attach("kept", { file = absent }))
local same = assert(shm.attach("kept", { file = arg[2] }))
assert(same:get("visits") == visits)
print("visit " .. visits)
