-- Begins a service of a program for skynet that loads its services by a file of its own, the
-- loader. That gets the service's name and arguments in one string, and finds in global variables
-- where services and modules are looked for and what runs first.
--
-- A service of the host's own that runs code of the program (`main`: snax services, and those that
-- begin with a function) has no file. The loader finds one at the first place where it looks, which
-- does nothing; the service begins once the loader is done, also if that looks in another way.

local load, name, services, preload, main, is_cell = ...
local globals = _G
globals.LUA_SERVICE, globals.LUA_PRELOAD = services, preload
globals.LUA_PATH, globals.LUA_CPATH = package.path, package.cpath
local words = { is_cell and "service_cell" or name }
for i = 7, is_cell and 7 or select("#", ...) do
  words[#words + 1] = tostring((select(i, ...)))
end
local line = table.concat(words, " ")
if not main then
  return load(line)
end

local place = services:match("^[^;]*"):gsub("?", words[1])
local is_found = false
local own_loadfile = loadfile

local function find(path, ...)
  if path ~= place then
    return own_loadfile(path, ...)
  end
  is_found = true
  return function() end
end

globals.loadfile = find
local ok, message = pcall(load, line)
if globals.loadfile == find then
  globals.loadfile = own_loadfile
end
if is_found and not ok then
  error(message, 0)
end
return main(select(7, ...))
