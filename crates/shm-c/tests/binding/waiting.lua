-- What the binding does in a plain LuaJIT, where it may hold the thread: called with the library
-- and the name of a dictionary, whose other side is tests/programs.rs.

local shm = require("moonhive_shm")

shm.load(arg[1])
local dict = assert(shm.attach(arg[2]))

local function expect(text, ...)
  local found = {}
  for index = 1, select("#", ...) do
    found[index] = tostring((select(index, ...)))
  end
  local joined = table.concat(found, " ")
  assert(joined == text, "expected " .. text .. ", found " .. joined)
end

expect("nil timeout", dict:blpop("none", 0))
expect("nil timeout", dict:brpop("none", 0.01))
expect("false timeout", dict:wait("none", nil, 0.01))
expect("nil empty key", dict:blpop("", 0))
expect("false nil key", dict:wait(nil, nil, 0))
expect("nil value not a list", dict:blpop("scalar", 60))
assert(not pcall(dict.wait, dict, "none", nil, -1))
assert(not pcall(dict.blpop, dict, "none", "soon"))

-- The other side answers each word with what is waited for next.
dict:rpush("ready", "for elements")
expect("first", dict:blpop("jobs", 60))
expect("last", dict:brpop("jobs", 60))
dict:rpush("ready", "for news")
local changed, version = dict:wait("news", nil, 60)
assert(changed and version == dict:version("news"))
expect("good", dict:get("news"))
dict:rpush("ready", "for the end of news")
expect("true nil", dict:wait("news", version))

for index = 1, 2000 do
  dict:rpush("long", index)
end
local all = dict:lrange("long")
assert(#all == 2000 and all[1] == 1 and all[2000] == 2000)
expect("1999 2000", unpack(dict:lrange("long", -2)))
dict:close()
assert(not pcall(dict.blpop, dict, "none", 0))
print("done")
