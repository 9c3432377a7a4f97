-- Begins a service of a program for skynet that loads its services by a file of its own, the
-- loader. That gets the service's name and arguments in one string, and finds in global variables
-- where services and modules are looked for and what runs first.

local load, name, services, preload = ...
local globals = _G
globals.LUA_SERVICE, globals.LUA_PRELOAD = services, preload
globals.LUA_PATH, globals.LUA_CPATH = package.path, package.cpath
local words = { name }
for i = 5, select("#", ...) do
  words[#words + 1] = tostring((select(i, ...)))
end
return load(table.concat(words, " "))
