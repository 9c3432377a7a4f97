-- Modules on disk that are written anew each round, for what measures reloading.

local cache = require "cache"
local hive = require "hive"

local MODULES, FUNCTIONS = 3, 20

local edited = {}

local folder, prefix = os.tmpname():match "^(.*)/([^/]*)$"
local path = folder .. "/?.lua"
local names = {}
for i = 1, MODULES do
  names[i] = prefix .. "_m" .. i
end

-- The text of module `i`; functions and constants are those of this round alone.
local function text(round, i)
  local lines = { "local M = {}" }
  for at = 1, FUNCTIONS do
    lines[#lines + 1] = ("function M.f%d(a) return a.key_%d_%d .. 'text %d %d' end"):format(
      at,
      round,
      at,
      round,
      at
    )
  end
  lines[#lines + 1] = ("function M.version() return %d end"):format(round + i)
  lines[#lines + 1] = "return M\n"
  return table.concat(lines, "\n")
end

-- Writes all modules as they are in a round.
function edited.write(round)
  for i, name in ipairs(names) do
    local file <close> = assert(io.open(("%s/%s.lua"):format(folder, name), "w"))
    file:write(text(round, i))
  end
end

-- Starts a service that requires them.
function edited.spawn()
  return hive.spawn("reloader", names, path)
end

-- One round: edits, drops what is cached, lets services that live on and one that is new load the
-- modules, and checks that all saw this round.
function edited.round(round, lasting)
  edited.write(round)
  cache.clear()
  local fresh = edited.spawn()
  local expected = MODULES * round + MODULES * (MODULES + 1) // 2
  for _, service in ipairs(lasting) do
    assert(service:load() == expected, "a service saw another version")
  end
  assert(fresh:load() == expected, "the new service saw another version")
  hive.kill(fresh)
end

-- Removes the files.
function edited.remove()
  for _, name in ipairs(names) do
    os.remove(("%s/%s.lua"):format(folder, name))
  end
  os.remove(folder .. "/" .. prefix)
end

return edited
