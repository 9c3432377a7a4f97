-- Files of suites that change while they run.

local files = {}

local File = {}
File.__index = File

-- Replaces what the file holds.
function File:write(text)
  local handle = assert(io.open(self.path, "w"))
  assert(handle:write(text))
  handle:close()
end

function File:__close()
  os.remove(self.path)
end

-- A file that is gone with its scope.
function files.changing()
  return setmetatable({ path = os.tmpname() }, File)
end

return files
