-- Starting, naming, watching and ending services.

local check = require "check"
local end_of = require("ending").of
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

test("the time of a service is told by handler", function()
  local busy = hive.spawn "service.echo"
  for _ = 1, 3 do
    busy:compute(0.01)
  end
  busy:echo()
  local stats = busy:stats()
  local handlers = stats.own_handlers
  equal(handlers.compute.calls, 3)
  equal(handlers.echo.calls, 1)
  assert(handlers.compute.time >= 0.027, handlers.compute.time)
  assert(handlers.echo.time < handlers.compute.time)
  assert(handlers["(tasks)"].calls == 0)
  local sum = 0
  for _, handler in pairs(handlers) do
    sum = sum + handler.time
  end
  assert(math.abs(sum - stats.own_time) < 1e-4, stats.own_time)
  assert(stats.time >= handlers.compute.time)
  hive.kill(busy)
end)

test("the name of a service that cannot start is free when its spawner is told", function()
  for _ = 1, 50 do
    fails("error", hive.spawn, { "service.broken", register = "broken" })
    equal(hive.find "broken", nil)
  end
end)

test("a service gets its arguments as values", function()
  local service = hive.spawn("service.arguments", 1, "two", { three = 3 }, nil, false)
  local count, list = service:all()
  equal(count, 5)
  equal(list[3].three, 3)
  equal(list[5], false)
  hive.kill(service)
end)

test("spawn waits until the file has returned, which may take a while", function()
  local began = hive.now()
  local service = hive.spawn("service.slow", 0.02)
  assert(hive.now() - began >= 0.02)
  equal(service:ready(), true)
  hive.kill(service)
end)

test("a service that does not exist is reported with the places that were tried", function()
  local err = fails("not_found", hive.spawn, "service.nobody")
  match(err.message, "no file '.*tests/lua/service/nobody.lua'")
end)

test("a service whose file fails is reported with message and traceback", function()
  local err = fails("error", hive.spawn, "service.broken", "error")
  match(err.message, "broken.lua:%d+: broken on purpose")
  match(err.traceback, "broken.lua")
  err = fails("error", hive.spawn, "service.broken", "number")
  match(err.message, "returned a number\nhint: return a table of handlers")
  err = fails("error", hive.spawn, "bad.unfinished")
  match(err.message, "unfinished.lua:%d+: ")
end)

test("a spawn that takes too long is given up, and the service with it", function()
  local err =
    fails("timeout", hive.spawn, { "service.slow", register = "slow", timeout = 0.02 }, 60)
  match(err.message, "spawn of service%.slow:")
  hive.sleep(0.02)
  equal(hive.find "slow", nil)
end)

test("a script ends with its last task", function()
  local script = hive.spawn("service.script", 0.02)
  equal(end_of(script).code, "returned")
end)

test("a script serves nothing", function()
  local script = hive.spawn("service.script", 0.05)
  local err = fails("no_handler", script.anything, script)
  match(err.message, "has no handlers")
end)

test("handlers are found through __index tables", function()
  local service = hive.spawn "service.derived"
  equal(service:own(), "own")
  equal(service:inherited(), "inherited")
  fails("no_handler", service.missing, service)
  hive.kill(service)
end)

test("a name leads to its service until that ends", function()
  local service = hive.spawn { "service.echo", register = "named" }
  equal(hive.find "named", service)
  equal(hive.call("named", "echo", 1), 1)
  fails("name_taken", hive.register, "named")
  fails("name_taken", hive.spawn, { "service.echo", register = "named" })
  hive.register("named", service)
  hive.kill(service)
  end_of(service)
  equal(hive.find "named", nil)
  fails("not_found", hive.call, "named", "echo")
  fails("not_found", hive.send, "named", "echo")
end)

test("names are checked", function()
  fails("argument", hive.register, "")
  fails("argument", hive.register, ("x"):rep(1000))
  refuses("string expected", hive.find)
end)

test("a name that would be read as an address is refused", function()
  local service = hive.spawn "service.echo"
  local address = tostring(service):match ":%x+$"
  for _, name in ipairs { address, ":x", ":" } do
    local err = fails("argument", hive.register, name, service)
    match(err.message, "^`" .. name .. "` cannot be a name: .* it is an address\nhint: ")
    fails("argument", hive.spawn, { "service.echo", register = name })
  end
  equal(hive.find(address), service)
  hive.register("x:1", service)
  hive.kill(service)
end)

test("monitors are told why a service ended", function()
  local service = hive.spawn "service.echo"
  hive.send(service, "exit", "done for today")
  local ended = end_of(service)
  equal(ended.code, "exit")
  match(ended.message, "done for today")

  service = hive.spawn "service.echo"
  hive.kill(service, "no longer needed")
  ended = end_of(service)
  equal(ended.code, "killed")
  match(ended.message, "no longer needed")

  service = hive.spawn "service.echo"
  equal(hive.stop(service), true)
  equal(end_of(service).code, "stopped")
  equal(hive.stop(service), false)
  equal(hive.kill(service), false)
end)

test("a monitor of a service that ended long ago is told at once", function()
  local service = hive.spawn "service.echo"
  hive.kill(service)
  end_of(service)
  equal(end_of(service).code, "killed")
end)

test("nobody else gets the address of a service that has ended", function()
  local gone = hive.spawn "service.echo"
  hive.kill(gone)
  end_of(gone)
  local others = {}
  for i = 1, 200 do
    others[i] = hive.spawn "service.echo"
    equal(others[i] ~= gone, true)
    equal(tostring(others[i]) ~= tostring(gone), true)
  end
  fails("dead", gone.echo, gone, 1)
  for _, other in ipairs(others) do
    hive.kill(other)
  end
end)

test("a monitor is told once, and every monitor of a service is", function()
  local service, told = hive.spawn "service.echo", {}
  for monitor = 1, 3 do
    hive.monitor(service, function(_, ended)
      told[#told + 1] = monitor .. ended.code
    end)
  end
  hive.kill(service)
  hive.kill(service)
  -- They are told when its last turn is over.
  while #told < 3 do
    hive.sleep(0.001)
  end
  -- What another service answers comes after a second call, too.
  local other = hive.spawn "service.echo"
  equal(other:echo(1), 1)
  hive.kill(other)
  table.sort(told)
  equal(table.concat(told, " "), "1killed 2killed 3killed")
end)

test("a service that was killed in a turn is found by nobody when kill returns", function()
  local witness, group = hive.spawn "service.echo", hive.group "looping"
  for _ = 1, 5 do
    local service = hive.spawn { "service.looping", register = "looping" }
    group:join(service)
    hive.send(service, "loop", witness)
    repeat
    until #witness:seen() > 0
    equal(hive.kill(service, "while it computes"), true)
    equal(hive.find "looping", nil)
    equal(#group:members(), 0)
    match(fails("dead", hive.call, service, "loop").message, "while it computes")
    fails("dead", hive.send, service, "loop")
    equal(hive.kill(service), false)
    equal(hive.stop(service), false)
    equal(end_of(service).code, "killed")
  end
  hive.kill(witness)
end)

test("a cancelled monitor is not told", function()
  local service, told = hive.spawn "service.echo", false
  local monitor = hive.monitor(service, function()
    told = true
  end)
  equal(monitor:cancel(), true)
  hive.kill(service)
  end_of(service)
  hive.sleep(0.01)
  equal(told, false)
end)

test("all who wait for a service that ends are told", function()
  local service = hive.spawn "service.echo"
  local codes, done = {}, {}
  local function note(f, ...)
    local _, err = pcall(f, service, ...)
    codes[#codes + 1] = err.code
    if #codes == 6 then
      hive.wakeup(done)
    end
  end
  for _ = 1, 5 do
    hive.fork(note, service.sleep, 60)
  end
  hive.fork(note, service.hold)
  hive.sleep(0.02)
  hive.kill(service, "by the test")
  hive.wait(done)
  equal(table.concat(codes, " "), "dead dead dead dead dead dead")
  local err = fails("dead", service.echo, service)
  match(err.message, "has ended")
  fails("dead", hive.send, service, "echo")
end)

test("callers are told who ended and why", function()
  local service = hive.spawn "service.echo"
  hive.after(0.01, hive.kill, service, "by the test")
  local err = fails("dead", service.sleep, service, 60)
  match(err.message, "service service%.echo:%x+ has ended: it was killed: by the test")
end)

test("a service that exits answers its own caller as well", function()
  local service = hive.spawn "service.echo"
  local err = fails("dead", service.exit, service, "enough")
  match(err.message, "it exited: enough")
end)

test("nothing that is ready runs after the handler in which a service exits", function()
  local service, witness = hive.spawn "service.echo", hive.spawn "service.echo"
  fails("dead", service.exit_after_fork, service, witness)
  equal(#witness:seen(), 0)
end)

test("the exit handler runs, may call others, and knows the reason", function()
  local echo = hive.spawn "service.echo"
  local service = hive.spawn("service.exiting", echo)
  hive.stop(service, "tidy up")
  equal(end_of(service).code, "stopped")
  local seen = echo:seen()
  equal(seen[1], "exit stopped it was stopped: tidy up")
  equal(seen[2], "closed")
  equal(#seen, 2)
  hive.kill(echo)
end)

test("a killed service runs none of its code any more", function()
  local echo = hive.spawn "service.echo"
  local service = hive.spawn("service.exiting", echo)
  hive.kill(service)
  end_of(service)
  equal(#echo:seen(), 0)
  hive.kill(echo)
end)

test("a service that has ended keeps its name", function()
  local service = hive.spawn "service.echo"
  local name = tostring(service)
  match(name, "^service%.echo:%x+$")
  hive.kill(service)
  end_of(service)
  equal(tostring(service), name)
end)

test("a service may kill itself", function()
  local service = hive.spawn("service.suicide")
  local err = fails("dead", service.now, service)
  match(err.message, "it was killed: tired")
end)

test("a service that kills itself where it cannot wait goes no further either", function()
  local witness = hive.spawn "service.echo"
  local service, began = hive.spawn "service.suicide", hive.now()
  local err = fails("dead", service.in_sort, service, witness)
  -- Sooner than by the limit of a turn.
  assert(hive.now() - began < 4, hive.now() - began)
  match(err.message, "it was killed: tired")
  fails("dead", service.now, service)
  equal(#witness:seen(), 0)
  hive.kill(witness)
end)

test("requests that come before the file has returned are served after it", function()
  hive.fork(hive.spawn, { "service.slow", register = "early" }, 0.02)
  hive.sleep(0)
  for i = 1, 5 do
    hive.send("early", "note", i)
  end
  equal(hive.call("early", "noted"), "1 2 3 4 5")
  hive.kill "early"
end)

test("requests of a service that never starts are answered", function()
  hive.fork(pcall, hive.spawn, { "service.slow", register = "doomed" }, 0.02, "fail")
  hive.sleep(0)
  local err = fails("dead", hive.call, "doomed", "ready")
  match(err.message, "slow.lua:%d+: failed on purpose")
end)

test("a service has a memory limit of its own", function()
  local service = hive.spawn { "service.greedy", memory_limit = 2 << 20 }
  local err = fails("memory", service.grow, service, 64)
  match(err.message, "not enough memory")
  equal(service:grow(0), true)
  hive.kill(service)
end)

test("a memory limit under which no service could run is refused", function()
  local err = fails("argument", hive.spawn, { "service.echo", memory_limit = (64 << 10) - 1 })
  match(err.message, "65535 bytes is too little for a service: expected 65536 %(64 KiB%) or more")
  hive.kill(hive.spawn { "service.echo", memory_limit = 64 << 10 })
end)

test("what a task held that ran out of memory is free again at once", function()
  local service = hive.spawn { "service.greedy", memory_limit = 8 << 20 }
  fails("memory", service.grow, service, 64)
  service:grow(0)
  hive.sleep(0)
  local used = hive.stats(service).memory_bytes
  assert(used < 1 << 20, used)
  hive.kill(service)
end)

test("options of spawn are checked", function()
  refuses("unknown option 'memory'", hive.spawn, { "service.echo", memory = 1 })
  refuses(
    "option 'memory_limit' is not a positive integer",
    hive.spawn,
    { "x", memory_limit = "big" }
  )
  refuses("expected OFF, EXIST or ON", hive.spawn, { "x", cache = "on" })
  refuses("the name of the service is missing", hive.spawn, {})
  refuses("string expected, got no value", hive.spawn)
end)

test("stats count", function()
  local stats = hive.stats()
  assert(stats.services >= 1 and stats.spawned > 20)
  assert(stats.own_memory_bytes > 10000 and stats.memory_bytes > 0)
  assert(stats.own_tasks >= 1)
  equal(math.type(stats.messages), "integer")
end)

test("settings and clocks", function()
  equal(hive.env "color", "green")
  equal(hive.env "missing", nil)
  assert(hive.now() >= 0 and hive.now() < 1e6)
  assert(math.abs(hive.time() - os.time()) < 5)
end)

test("log functions take anything", function()
  hive.log.info("a", 1, nil, { "x" }, hive.self())
  hive.log.debug()
  hive.log.warn "expected by the test"
  hive.log.error "expected by the test"
end)

check.done()
