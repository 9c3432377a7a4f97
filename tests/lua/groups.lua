-- Groups of services: in turn, all at once, and how members leave.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

local function echoes(count)
  local list = {}
  for i = 1, count do
    list[i] = hive.spawn "service.echo"
  end
  return list
end

test("calls go to the members in turn", function()
  local group, members = hive.group "turns", echoes(3)
  for _, member in ipairs(members) do
    equal(group:join(member), true)
  end
  for round = 0, 1 do
    for i = 1, 3 do
      equal(group:next(), members[i], round)
    end
  end
  equal(group:call("echo", 7), 7)
  group:send("note", "second")
  equal(members[2]:seen()[1], "second")
end)

test("a broadcast reaches every member", function()
  local group, members = hive.group "all", echoes(4)
  for _, member in ipairs(members) do
    group:join(member)
  end
  equal(group:broadcast("note", { "news" }), 4)
  for _, member in ipairs(members) do
    equal(member:seen()[1][1], "news")
  end
end)

test("members that end leave by themselves", function()
  local group, members = hive.group "mortals", echoes(3)
  for _, member in ipairs(members) do
    group:join(member)
  end
  local gone = {}
  hive.monitor(members[2], function()
    hive.wakeup(gone)
  end)
  hive.kill(members[2])
  hive.wait(gone)
  equal(#group:members(), 2)
  for _ = 1, 4 do
    equal(group:call("echo", "fine"), "fine")
  end
  equal(group:broadcast "note", 2)
end)

test("nobody loses a turn to who leaves", function()
  local group, members = hive.group "leaving", echoes(3)
  for _, member in ipairs(members) do
    group:join(member)
  end
  equal(group:next(), members[1])
  equal(group:leave(members[1]), true)
  equal(group:leave(members[1]), false)
  equal(group:next(), members[2])
  equal(group:next(), members[3])
  equal(group:next(), members[2])
end)

test("joining twice is joining once", function()
  local group = hive.group "once"
  equal(group:join(), true)
  equal(group:join(), false)
  equal(#group:members(), 1)
  equal(group:members()[1], hive.self())
  equal(group:leave(), true)
  equal(#group:members(), 0)
end)

test("a group is the same from every service", function()
  local member = hive.spawn "service.member"
  member:join "shared"
  equal(hive.group("shared"):members()[1], member)
  hive.kill(member)
end)

test("a group without members says so", function()
  local group = hive.group "empty"
  match(fails("not_found", group.call, group, "echo").message, "group `empty` has no members")
  fails("not_found", group.send, group, "echo")
  equal(group:broadcast "echo", 0)
end)

test("a service that has ended cannot join", function()
  local dead = echoes(1)[1]
  local gone = {}
  hive.monitor(dead, function()
    hive.wakeup(gone)
  end)
  hive.kill(dead)
  hive.wait(gone)
  local group = hive.group "dead"
  fails("dead", group.join, group, dead)
  equal(group:leave(dead), false)
end)

test("arguments are checked", function()
  refuses("string expected, got nil", hive.group)
  local group = hive.group(("x"):rep(200))
  fails("argument", group.join, group)
  refuses("method name expected", hive.group("x").broadcast, hive.group "x")
end)

check.done()
