-- The side of LuaJIT of the test about numbers as keys: called with the library, what to do, the
-- name of the dictionary, what to store, and the script that both sides run.

local shm = require("moonhive_shm")

local library, how, name, mark, script = unpack(arg)
shm.load(library)
assert(loadfile(script))(how, assert(shm.attach(name)), mark)
