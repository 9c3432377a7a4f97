-- The module `skynet.sharedata.file`: loads files of data as they are now.
--
-- Code is read once and then comes out of the code cache; files of data are loaded again because
-- they have changed, so that they pass by it. The cache is off for the load alone, not while what
-- was loaded runs.

local cache = require "cache"

local assert, error, pcall, type = assert, error, pcall, type
local load_cached, mode = cache.loadfile, cache.mode

local file = {}

-- The function of a file, or nil and why there is none; as the `loadfile` of Lua, but it reads no
-- standard input.
function file.loadfile(path, ...)
  if type(path) ~= "string" then
    error(("the name of a file is a string, not a %s"):format(type(path)), 2)
  end
  local previous = mode "OFF"
  local ok, chunk, why = pcall(load_cached, path, ...)
  mode(previous)
  if not ok then
    error(chunk, 0)
  end
  return chunk, why
end

-- What the function of a file returns.
function file.dofile(path)
  return assert(file.loadfile(path))()
end

return file
