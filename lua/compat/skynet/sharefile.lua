-- The module `skynet.sharedata.file`: loads files of data as they are now.
--
-- Code is read once and then comes out of the code cache; files of data are loaded again because
-- they have changed, so that they pass by it. The cache is off for the load alone, not while what
-- was loaded runs.

local cache = require "skynet.codecache"

local error, setmetatable, type = error, setmetatable, type
local load_cached, mode = cache.loadfile, cache.mode

local file = {}

-- The cache is off until the result is closed.
local function switched_off()
  local previous = mode()
  local closer = setmetatable({}, {
    __close = function()
      mode(previous)
    end,
  })
  mode "OFF"
  return closer
end

-- The function of a file, or nil and why there is none; as the `loadfile` of Lua, but it reads no
-- standard input.
function file.loadfile(path, ...)
  if type(path) ~= "string" then
    error(("the name of a file is a string, not a %s"):format(type(path)), 2)
  end
  -- Reading a large file may earn an interruption, which comes before the next instruction.
  local _ <close> = switched_off()
  return load_cached(path, ...)
end

return file
