-- The module `skynet.sharedata.object`: read-only objects for tables that are shared by name, which
-- follow the updates of their name. `skynet.sharedata` and `skynet.datasheet` are made of it.
--
-- The data itself is in tables that all services read in place (`hive.share`); an object holds what
-- leads to its table. Publishers tell of a new version on a channel. What a service sees of a
-- name therefore changes between its tasks, never while one of them runs.

local multicast = require "skynet.multicast"
local skynet = require "skynet"
local share = require("hive").share

-- Keeps who may publish what: a service, so that of two that begin a name at once one is told.
local KEEPER = "hive.sharedata"

local module = {}

-- Fields of an object. No table of the data can have such keys. They are never nil, so that they
-- are found without `__index`. The content is false once the table is gone, and while nobody has
-- looked at an update; that one is kept by the outermost object as what comes next.
local CONTENT, INNER, KEY, NEXT, PARENT = {}, {}, {}, {}, {}

local Object = {}

local function new_object(content, parent, key)
  local object =
    { [CONTENT] = content, [INNER] = {}, [KEY] = key, [NEXT] = false, [PARENT] = parent }
  return setmetatable(object, Object)
end

-- The outermost object, and the keys that lead from it, for messages.
local function origin_of(object)
  local path = tostring(object[KEY])
  while object[PARENT] do
    object = object[PARENT]
    path = tostring(object[KEY]) .. "." .. path
  end
  return object, path
end

-- Takes the data away from an object and from those for tables inside it.
local function detach(object)
  object[CONTENT] = false
  for _, inner in pairs(object[INNER]) do
    detach(inner)
  end
end

-- Gives an object that was detached its data, and those for tables inside it that are there still.
-- Of the others nothing will ever be seen again, as on skynet: a table that comes back later has a
-- new object.
local function attach(object, content)
  object[CONTENT] = content
  for key, inner in pairs(object[INNER]) do
    local value = content[key]
    if type(value) == "table" then
      attach(inner, value)
    else
      object[INNER][key] = nil
    end
  end
end

-- An update counts once somebody looks: who looks only after the next one never sees it.
local function update(object, content)
  if not object[NEXT] then
    detach(object)
  end
  object[NEXT] = content
end

-- The content of an object that has none, after an update that nobody has looked at yet.
local function look(object)
  local outermost, path = origin_of(object)
  local content = outermost[NEXT]
  if content then
    outermost[NEXT] = false
    attach(outermost, content)
  end
  return object[CONTENT] or error(("the shared table %s is gone since an update"):format(path), 3)
end

function Object:__index(key)
  local content = self[CONTENT] or look(self)
  local value = content[key]
  if type(value) ~= "table" then
    return value
  end
  local inner = self[INNER][key]
  if not inner then
    inner = new_object(value, self, key)
    self[INNER][key] = inner
  end
  return inner
end

function Object:__newindex(key)
  local _, path = origin_of(self)
  error(("shared data is only read: cannot change %s.%s"):format(path, tostring(key)), 2)
end

function Object:__len()
  return #(self[CONTENT] or look(self))
end

local function next_pair(object, key)
  local next_key = next(object[CONTENT] or look(object), key)
  if next_key ~= nil then
    return next_key, object[next_key]
  end
end

function Object:__pairs()
  return next_pair, self, nil
end

-- What this service follows: by the name of the shared table the channel and the object.
local followed = {}

-- Fetches the latest version. An object whose name was taken away keeps what it has.
local function refresh(name, follower)
  local published = share.get(name)
  if published and published.channel == follower.channel.channel then
    update(follower.object, published.data)
  else
    follower.channel:unsubscribe()
    followed[name] = nil
  end
end

local function follow(name, channel)
  local follower = {}
  follower.channel = multicast.new {
    channel = channel,
    unpack = skynet.tostring,
    dispatch = function()
      refresh(name, follower)
    end,
  }
  follower.channel:subscribe()
  return follower
end

-- The object for what is shared by that name; nil if nothing is.
function module.query(name, label)
  local follower = followed[name]
  if follower then
    return follower.object
  end
  local published = share.get(name)
  if not published then
    return nil
  end
  follower = follow(name, published.channel)
  -- Only now nothing is missed any more.
  published = share.get(name)
  if not published or published.channel ~= follower.channel.channel then
    follower.channel:unsubscribe()
    return module.query(name, label)
  end
  follower.object = new_object(published.data, false, label)
  followed[name] = follower
  return follower.object
end

-- What is shared by that name, without an object; nil if nothing is.
function module.content(name)
  local published = share.get(name)
  return published and published.data
end

-- What a message would carry of a table: what `__pairs` shows of it, and no metatables.
local function plain(data)
  return skynet.unpack(skynet.packstring(data))
end

local function publish(name, channel, data)
  local ok, err = pcall(share.publish, name, { channel = channel, data = data })
  if not ok then
    local is_plain, copy = pcall(plain, data)
    if not is_plain then
      error(err, 0)
    end
    share.publish(name, { channel = channel, data = copy })
  end
  multicast.new({ channel = channel, pack = tostring }):publish ""
end

-- Shares data under a name; false if something is shared by it already.
function module.new(name, data)
  local channel = skynet.call(KEEPER, "lua", "claim", name)
  if not channel then
    return false
  end
  local ok, err = pcall(publish, name, channel, data)
  if not ok then
    skynet.call(KEEPER, "lua", "drop", name)
    error(err, 0)
  end
  return true
end

-- Whoever changes a name sees the change at once.
local function refresh_own(name)
  local follower = followed[name]
  if follower then
    refresh(name, follower)
  end
end

-- Replaces what is shared by a name, for everybody who follows it.
function module.update(name, data)
  publish(name, skynet.call(KEEPER, "lua", "open", name), data)
  refresh_own(name)
end

-- Takes a name away; false if nothing was shared by it.
function module.delete(name)
  local channel = skynet.call(KEEPER, "lua", "drop", name)
  if not channel then
    return false
  end
  share.drop(name)
  local last = multicast.new { channel = channel, pack = tostring }
  last:publish ""
  last:delete()
  refresh_own(name)
  return true
end

return module
