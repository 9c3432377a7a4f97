-- Links: services that end together when one of them fails.

local check = require "check"
local end_of = require("ending").of
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

local function child(label)
  return hive.spawn("service.child", nil, label)
end

local function is_alive(service)
  return (pcall(service.label, service))
end

test("a linked service ends when the other fails", function()
  local a, b = child "a", child "b"
  a:link(b)
  pcall(a.fail, a, "no more")
  local how = end_of(b)
  equal(how.code, "linked")
  match(how.message, "service service%.child:%x+, to which it is linked, has ended: no more")
end)

test("a link works in both directions", function()
  local a, b = child "a", child "b"
  a:link(b)
  hive.kill(b, "by the test")
  match(end_of(a).message, "it was killed: by the test")
end)

test("a failure goes along a chain of links", function()
  local chain = {}
  for i = 1, 20 do
    chain[i] = child(tostring(i))
    if i > 1 then
      chain[i]:link(chain[i - 1])
    end
  end
  hive.kill(chain[1])
  equal(end_of(chain[20]).code, "linked")
end)

test("an orderly end leaves the other alone", function()
  local a, b, c = child "a", child "b", child "c"
  a:link(b)
  b:link(c)
  pcall(a.exit, a, "done")
  hive.stop(c)
  equal(end_of(a).code, "exit")
  equal(end_of(c).code, "stopped")
  equal(is_alive(b), true)
  hive.kill(b)
end)

test("a linked service may clean up", function()
  local recorder = hive.spawn "service.echo"
  local a, b = child "a", hive.spawn("service.child", recorder, "b")
  a:link(b)
  hive.kill(a)
  end_of(b)
  equal(table.concat(recorder:seen(), ", "), "start b, linked b")
  hive.kill(recorder)
end)

test("a link can be taken back", function()
  local a, b = child "a", child "b"
  a:link(b)
  a:link(b)
  equal(a:unlink(b), true)
  hive.kill(a)
  end_of(a)
  hive.sleep(0.01)
  equal(is_alive(b), true)
  equal(hive.unlink(a), false)
  hive.kill(b)
end)

test("with a function this service is told and lives on", function()
  local told = {}
  local a = child "a"
  hive.link(a, function(service, ended)
    equal(service, a)
    hive.wakeup(told, ended.code)
  end)
  hive.kill(a)
  local _, code = hive.wait(told)
  equal(code, "killed")
end)

test("with a function the other follows all the same", function()
  local parent = hive.spawn "service.parent"
  local followed = parent:adopt "service.child"
  hive.kill(parent)
  equal(end_of(followed).code, "linked")
end)

test("a link to a service that has ended fails", function()
  local a = child "a"
  hive.kill(a)
  end_of(a)
  fails("dead", hive.link, a)
  refuses("service or name expected", hive.link, 5)
  refuses("function expected", hive.link, child "b", 5)
end)

test("a link to itself changes nothing", function()
  hive.link(hive.self())
end)

test("an error in the place of a reason makes an exit a failure", function()
  local a = child "a"
  local err = fails("dead", a.fail, a, "worn out")
  match(err.message, "worn out")
  local how = end_of(a)
  equal(how.code, "broken")
  equal(how.message, "worn out")
end)

check.done()
