-- hive.share: tables that all services read in place, without a copy of their own.
--
-- A part of the module `hive`, loaded when it is first used.

local hive, share = ...
local error, package, pairs, type = error, package, pairs, type
local replace, run = share.replace, share.run
share.replace, share.run = nil, nil

-- The result of a module that consists of data: run once for the host, shared by all services.
function share.require(name)
  local path, message = package.searchpath(name, package.path)
  if not path then
    error(("shared module '%s' not found:\n\t%s"):format(name, message), 2)
  end
  return run(path, name)
end

-- What takes the place of a table of an old version and of each table in it: what stands at the
-- same place in the new one, or nothing.
local function pair(map, old, new)
  local left, last = { old }, 1
  map[old] = new
  while last > 0 do
    local t = left[last]
    left[last], last = nil, last - 1
    local other = map[t]
    for key, value in pairs(t) do
      if type(value) == "table" and map[value] == nil then
        local successor = other and other[key]
        map[value] = type(successor) == "table" and successor
        last = last + 1
        left[last] = value
      end
    end
  end
end

-- Replaces every reference of this service to the table `old`, and to the tables in it, by `new`
-- and what stands at the same places there.
function share.update(old, new)
  if not (share.is(old) and share.is(new)) then
    error("two shared tables expected", 2)
  end
  local map = {}
  if old ~= new then
    pair(map, old, new)
  end
  return replace(map)
end

hive.share = share
