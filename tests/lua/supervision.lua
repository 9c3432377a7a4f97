-- The supervisor: which children it starts again, how often, how it gives up and how it ends.

local check = require "check"
local end_of = require("ending").of
local hive = require "hive"
local latch = require "latch"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

local recorder = hive.spawn "service.echo"

local function noted()
  return table.concat(recorder:seen(), ", ")
end

-- Waits until `condition` gives a value, and returns it.
local function eventually(condition)
  for _ = 1, 1000 do
    local value = condition()
    if value then
      return value
    end
    hive.sleep(0.005)
  end
  error("it never came to that", 2)
end

-- The service of a child that is not `old`.
local function successor(supervisor, id, old)
  return eventually(function()
    local service = supervisor:find(id)
    return service ~= old and service
  end)
end

local function child(label, fields)
  fields = fields or {}
  fields[1], fields[2], fields[3] = "service.child", recorder, label
  fields.id = label
  return fields
end

test("children are started in order and stopped in the opposite one", function()
  local supervisor = hive.supervise { child "a", child "b", child "c" }
  equal(noted(), "start a, start b, start c")
  local list = supervisor:children()
  equal(#list, 3)
  equal(list[2].id, "b")
  equal(list[2].restart, "permanent")
  equal(list[2].service:label(), "b")
  hive.stop(supervisor)
  equal(end_of(supervisor).code, "stopped")
  equal(noted(), "stopped c, stopped b, stopped a")
end)

test("a child that fails is started again, the others are left alone", function()
  local supervisor = hive.supervise { child "a", child "b" }
  local a, b = supervisor:find "a", supervisor:find "b"
  pcall(a.fail, a, "oops")
  local again = successor(supervisor, "a", a)
  equal(again:label(), "a")
  equal(supervisor:find "b", b)
  equal(supervisor:children()[1].started_again, 1)
  hive.stop(supervisor)
  end_of(supervisor)
  noted()
end)

test("a child that is killed is started again under its name", function()
  local supervisor = hive.supervise { child("a", { register = "the-a" }) }
  local first = hive.find "the-a"
  hive.kill(first)
  local second = successor(supervisor, "a", first)
  equal(hive.find "the-a", second)
  equal(hive.call("the-a", "label"), "a")
  hive.stop(supervisor)
  end_of(supervisor)
  equal(hive.find "the-a", nil)
  noted()
end)

test("only a permanent child is started again after an orderly end", function()
  local supervisor = hive.supervise {
    child "permanent",
    child("transient", { restart = "transient" }),
    child("temporary", { restart = "temporary" }),
  }
  local before = {}
  for _, one in ipairs(supervisor:children()) do
    before[one.id] = one.service
    pcall(one.service.exit, one.service, "done")
  end
  successor(supervisor, "permanent", before.permanent)
  equal(supervisor:find "transient", nil)
  equal(supervisor:find "temporary", nil)
  hive.stop(supervisor)
  end_of(supervisor)
  noted()
end)

test("a transient child is started again after a failure, a temporary one is not", function()
  local supervisor = hive.supervise {
    child("transient", { restart = "transient" }),
    child("temporary", { restart = "temporary" }),
  }
  local transient, temporary = supervisor:find "transient", supervisor:find "temporary"
  hive.kill(temporary)
  hive.kill(transient)
  successor(supervisor, "transient", transient)
  equal(supervisor:find "temporary", nil)
  hive.stop(supervisor)
  end_of(supervisor)
  noted()
end)

test("too many restarts end the supervisor and all its children", function()
  local supervisor = hive.supervise(
    { child "steady", child "weak" },
    { max_restarts = 2, window = 5, backoff = 0, link = false }
  )
  for _ = 1, 3 do
    local weak = eventually(function()
      return supervisor:find "weak"
    end)
    hive.kill(weak, "by the test")
    eventually(function()
      local ok, service = pcall(supervisor.find, supervisor, "weak")
      return not ok or service ~= weak
    end)
  end
  local how = end_of(supervisor)
  equal(how.code, "restarts")
  match(how.message, "more than 2 restarts within 5 s; the last child was weak: .*by the test")
  match(noted(), "stopped steady$")
end)

test("restarts outside of the window do not count", function()
  local supervisor = hive.supervise(
    { child "weak" },
    { max_restarts = 1, window = 0.05, backoff = 0 }
  )
  for _ = 1, 4 do
    local weak = supervisor:find "weak"
    hive.kill(weak)
    successor(supervisor, "weak", weak)
    hive.sleep(0.06)
  end
  hive.stop(supervisor)
  end_of(supervisor)
  noted()
end)

test("a child that fails again and again is started later each time", function()
  local supervisor = hive.supervise(
    { child "weak" },
    { max_restarts = 10, window = 60, backoff = 0.04 }
  )
  local began = hive.now()
  for _ = 1, 3 do
    local weak = supervisor:find "weak"
    hive.kill(weak)
    successor(supervisor, "weak", weak)
  end
  -- At once, then after 0.04 s and after 0.08 s.
  local took = hive.now() - began
  assert(took >= 0.12, took)
  hive.stop(supervisor)
  end_of(supervisor)
  noted()
end)

test("the failure of a supervisor ends who started it, unless they are not linked", function()
  local starter = hive.spawn "service.starter"
  local supervisor = starter:supervise(true)
  hive.kill(supervisor)
  equal(end_of(starter).code, "linked")
  starter = hive.spawn "service.starter"
  supervisor = starter:supervise(false)
  hive.kill(supervisor)
  end_of(supervisor)
  hive.sleep(0.01)
  equal(pcall(starter.supervise, starter, false), true)
  hive.kill(starter)
end)

test("the children of a supervisor that is killed end as well", function()
  local supervisor = hive.supervise({ child "a" }, { link = false })
  local a = supervisor:find "a"
  hive.kill(supervisor)
  equal(end_of(a).code, "linked")
  noted()
end)

test("a child that cannot be started at first fails the supervisor", function()
  local bad = child "bad"
  bad[4] = true
  local err = fails("error", hive.supervise, { child "good", bad })
  match(err.message, "bad cannot start")
  equal(noted(), "start good, start bad, stopped good")
end)

test("children come and go by hand", function()
  local supervisor = hive.supervise({}, { register = "keeper" })
  equal(hive.find "keeper", supervisor)
  local a = supervisor:start(child "a")
  equal(a:label(), "a")
  local b = supervisor:restart "a"
  equal(b ~= a, true)
  equal(supervisor:children()[1].started_again, 0)
  supervisor:remove "a"
  equal(#supervisor:children(), 0)
  equal(end_of(b).code, "stopped")
  equal(noted(), "start a, stopped a, start a, stopped a")
  match(fails("error", supervisor.find, supervisor, "a").message, "no child a")
  hive.stop(supervisor)
end)

-- Runs `f` with a gate and a supervisor of one child, whose next start waits at the gate. Nobody of
-- those who have started may be left afterwards.
local function with_start_under_way(f)
  local gate = hive.spawn "service.gate"
  local supervisor = hive.supervise({ { "service.gated", gate, id = "a" } }, { link = false })
  gate:shut()
  hive.kill(supervisor:find "a")
  eventually(function()
    return gate:waiting() == 1
  end)
  f(supervisor, gate)
  hive.stop(supervisor)
  end_of(supervisor)
  for _, service in ipairs(gate:seen()) do
    end_of(service)
  end
  hive.kill(gate)
end

-- Runs `f` in a task; a function that waits for its end.
local function begun(f)
  local over, ok, err = latch.new(1), nil, nil
  hive.fork(function()
    ok, err = pcall(f)
    over:done()
  end)
  hive.sleep(0)
  return function()
    assert(over:wait(10), "it does not end")
    assert(ok, err)
  end
end

test("a child that is removed while it is started ends", function()
  with_start_under_way(function(supervisor, gate)
    local removed = begun(function()
      supervisor:remove "a"
    end)
    gate:open()
    removed()
    equal(#supervisor:children(), 0)
    equal(end_of(gate:seen()[2]).code, "stopped")
  end)
end)

test("a child that is restarted while it is started runs once", function()
  with_start_under_way(function(supervisor, gate)
    local restarted = begun(function()
      supervisor:restart "a"
    end)
    gate:open()
    restarted()
    local seen = gate:seen()
    equal(#seen, 3)
    equal(end_of(seen[2]).code, "stopped")
    equal(supervisor:find "a", seen[3])
  end)
end)

test("restarts at the same time leave one child", function()
  with_start_under_way(function(supervisor, gate)
    local first = begun(function()
      supervisor:restart "a"
    end)
    local second = begun(function()
      supervisor:restart "a"
    end)
    gate:open()
    first()
    second()
    local seen = gate:seen()
    for i = 2, #seen - 1 do
      equal(end_of(seen[i]).code, "stopped")
    end
    equal(supervisor:find "a", seen[#seen])
  end)
end)

test("a supervisor that is stopped waits for a child that is being started", function()
  with_start_under_way(function(supervisor, gate)
    hive.stop(supervisor)
    gate:open()
    end_of(supervisor)
    equal(end_of(gate:seen()[2]).code, "stopped")
  end)
end)

test("a child that does not come up in time is killed by a remove", function()
  with_start_under_way(function(supervisor, gate)
    supervisor:remove "a"
    equal(end_of(gate:seen()[2]).code, "killed")
  end)
end)

test("one that a supervisor is told to start, and to remove meanwhile, ends", function()
  with_start_under_way(function(supervisor, gate)
    begun(function()
      pcall(supervisor.start, supervisor, { "service.gated", gate, id = "b" })
    end)
    eventually(function()
      return gate:waiting() == 2
    end)
    local removed = begun(function()
      supervisor:remove "b"
    end)
    gate:open()
    removed()
    equal(end_of(gate:seen()[3]).code, "stopped")
    equal(#supervisor:children(), 1)
  end)
end)

test("a child whose restart by hand fails is started again", function()
  local gate = hive.spawn "service.gate"
  local supervisor = hive.supervise { { "service.gated", gate, id = "a" } }
  gate:refuse(2)
  match(fails("error", supervisor.restart, supervisor, "a").message, "it was refused")
  local again = eventually(function()
    return supervisor:find "a"
  end)
  equal(again, gate:seen()[4])
  hive.stop(supervisor)
  end_of(supervisor)
  hive.kill(gate)
end)

test("the deadline of who restarts a child ends his wait and not the restart", function()
  with_start_under_way(function(supervisor, gate)
    fails("timeout", hive.call, { supervisor, timeout = 0.05 }, "restart", "a")
    gate:open()
    local seen = eventually(function()
      local seen = gate:seen()
      return #seen == 3 and supervisor:find "a" == seen[3] and seen
    end)
    equal(end_of(seen[2]).code, "stopped")
  end)
end)

test("what describes a child or a supervisor is checked", function()
  match(fails("error", hive.supervise, { {} }).message, 'described by { "name"')
  match(
    fails("error", hive.supervise, { child("a", { restart = "often" }) }).message,
    "permanent, transient or temporary, not often"
  )
  match(
    fails("error", hive.supervise, { child "a", child "a" }).message,
    "there is a child a already"
  )
  match(fails("error", hive.supervise, {}, { windows = 5 }).message, "unknown option 'windows'")
  match(fails("error", hive.supervise, { child("a", { memory = 1 }) }).message, "unknown option")
  noted()
end)

test("what is no list of children is refused at the line that gives it", function()
  local line = debug.getinfo(1, "l").currentline
  local function at(after, problem)
    return ("supervision%%.lua:%d: bad argument %s"):format(line + after, problem)
  end
  refuses(at(5, "#1 to 'hive.supervise' %(list of children expected, got number%)"), function()
    hive.supervise(5)
  end)
  refuses(at(8, "#2 to 'hive.supervise' %(table of options expected, got number%)"), function()
    hive.supervise({}, 5)
  end)
end)

hive.kill(recorder)
check.done()
