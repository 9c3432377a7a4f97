-- hive.group: services that are called in turn, or all at once, by the name of their group.
--
-- A part of the module `hive`, loaded when it is first used. The host keeps the members.

local hive, native = ...

local Group = { __name = "hive.Group" }
Group.__index = Group

-- Adds a service, this one by default; false if it is a member already.
function Group:join(service)
  return native.join(self.name, service)
end

-- Takes a service out, this one by default; false if it is no member.
function Group:leave(service)
  return native.leave(self.name, service)
end

-- The members, in the order in which they joined.
function Group:members()
  return native.members(self.name)
end

-- The member whose turn it is.
function Group:next()
  return native.next(self.name)
end

-- Calls a method of the next member.
function Group:call(method, ...)
  return hive.call(native.next(self.name), method, ...)
end

-- Sends a message to the next member.
function Group:send(method, ...)
  return hive.send(native.next(self.name), method, ...)
end

-- Sends a message to every member; returns how many have taken it.
function Group:broadcast(method, ...)
  return native.broadcast(self.name, method, ...)
end

-- The group of that name, whether it has members or not.
function hive.group(name)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'hive.group' (string expected, got %s)"):format(type(name)), 2)
  end
  return setmetatable({ name = name }, Group)
end
