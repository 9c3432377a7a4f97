-- The module `skynet.sharetable`: read-only tables that all services read without a copy, by names.
--
-- A face of `hive.share`, over the same names: what is loaded here, `hive.share.get` finds as well.

local hive = require "hive"
local loadfile = require("skynet.sharedata.file").loadfile

local assert, ipairs, load, next = assert, ipairs, load, next
local pairs, pcall, setmetatable, type = pairs, pcall, setmetatable, type
local share = hive.share

local sharetable = {}

-- Tables that this service was given, by name: what `update` looks for. It does not keep them.
local given = {}

local function publish(name, chunk, ...)
  share.publish(name, (chunk(...)))
end

-- Runs a file, as it is now, with arguments, and shares the table that it returns under the file's
-- name.
function sharetable.loadfile(source, ...)
  publish(source, assert(loadfile(source)), ...)
end

-- The same for a text, under a name; one that begins with an `@` names a file.
function sharetable.loadstring(name, source, ...)
  local file = source:match "^@(.*)"
  if file then
    publish(name, assert(loadfile(file)), ...)
  else
    publish(name, assert(load(source, "@" .. name)), ...)
  end
end

-- The same values without metatables, as they would arrive in a message.
local function plain(value, copies)
  if type(value) ~= "table" or share.is(value) then
    return value
  end
  local copy = copies[value]
  if not copy then
    copy = {}
    copies[value] = copy
    for k, v in pairs(value) do
      copy[plain(k, copies)] = plain(v, copies)
    end
  end
  return copy
end

-- Shares a table under a name, without the metatables of the tables in it.
function sharetable.loadtable(name, value)
  if not pcall(share.publish, name, value) then
    share.publish(name, plain(value, {}))
  end
end

-- The table that a name stands for; no value if it stands for nothing, as nil does.
function sharetable.query(name)
  local found = name ~= nil and share.get(name)
  if not found then
    return
  end
  local list = given[name]
  if not list then
    list = setmetatable({}, { __mode = "k" })
    given[name] = list
  end
  list[found] = true
  return found
end

-- Those of a list of names, or of all, by name.
function sharetable.queryall(names)
  local found = {}
  if names then
    for _, name in ipairs(names) do
      found[name] = sharetable.query(name)
    end
    return found
  end
  for _, figures in ipairs(share.stats().tables) do
    found[figures.name] = sharetable.query(figures.name)
  end
  return found
end

-- Puts the current tables of the names in the place of older ones, wherever this service refers to
-- those or to tables in them.
function sharetable.update(...)
  for _, name in ipairs { ... } do
    local list, current = given[name], share.get(name)
    if list and current then
      -- `update` replaces the keys of this list as well, so it is emptied one by one.
      local old = next(list)
      while old do
        list[old] = nil
        if old ~= current then
          share.update(old, current)
        end
        old = next(list)
      end
      sharetable.query(name)
    end
  end
end

return sharetable
