-- The modules beside `skynet` itself: queue, request, service, coroutine, memory, codecache; what a
-- service tells of its tasks.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

-- Runs `count` tasks and waits for them all.
local function together(count, body)
  local left, done = count, {}
  for i = 1, count do
    skynet.fork(function()
      body(i)
      left = left - 1
      if left == 0 then
        skynet.wakeup(done)
      end
    end)
  end
  skynet.wait(done)
end

skynet.start(function()
  -- The first one: the figures of a service are samples once it is busy.
  test("a task's time is measured without its waits", function()
    local profile = require "skynet.profile"
    refuses("profile.start", profile.stop)
    refuses("profile.start", profile.elapsed)
    profile.start()
    refuses("already", profile.start)
    skynet.sleep(5)
    assert(profile.stop() < 0.04)
    profile.start()
    local stop = skynet.hpc() + 20e6
    repeat
    until skynet.hpc() > stop
    local so_far = profile.elapsed()
    assert(so_far > 0.01, so_far)
    local seconds = profile.stop()
    assert(seconds >= so_far)
    assert(seconds > 0.01, seconds)
    skynet.yield()
    assert(skynet.stat "cpu" >= 0.01)
  end)

  -- Computes for that long.
  local function compute(ms)
    local stop = skynet.hpc() + ms * 1e6
    repeat
    until skynet.hpc() > stop
  end

  test("each coroutine has a clock of its own, which goes while it is resumed", function()
    local profile = require "skynet.profile"
    local function body(ms)
      return function(first)
        compute(ms)
        local second = profile.yield(first)
        skynet.sleep(5)
        compute(ms)
        return second
      end
    end
    local busy, idle = coroutine.create(body(20)), coroutine.create(body(0))
    profile.start(busy)
    profile.start(idle)
    refuses("already", profile.start, busy)
    for _, co in ipairs { busy, idle } do
      equal(select(2, profile.resume(co, "first")), "first")
      equal(select(2, profile.resume(co, "second")), "second")
    end
    local seconds = profile.elapsed(busy)
    assert(seconds >= 0.02, seconds)
    equal(profile.stop(busy), seconds)
    assert(profile.stop(idle) < seconds)
    refuses("profile.start", profile.stop, idle)
    refuses("profile.start", profile.stop)
    refuses("expected a coroutine", profile.start, 1)
  end)

  test("coroutines inside a task name the coroutine of the task", function()
    local profile = require "skynet.profile"
    local task = coroutine.running()
    local inner = coroutine.create(function(a)
      return profile.yield_co(task, a + 1)
    end)
    equal(select(2, profile.resume_co(inner, task, 1)), 2)
    equal(select(2, profile.resume_co(inner, task, "second")), "second")
    equal(coroutine.status(inner), "dead")
  end)

  test("a coroutine may start and stop its own clock, beside that of its task", function()
    local profile = require "skynet.profile"
    profile.start()
    local inner = profile.wrap(function()
      profile.start()
      compute(10)
      profile.yield "halfway"
      return profile.stop()
    end)
    equal(inner(), "halfway")
    compute(10)
    local seconds = inner()
    assert(seconds >= 0.01, seconds)
    assert(profile.stop() >= seconds)
    refuses(
      "in the coroutine",
      profile.wrap(function()
        error "in the coroutine"
      end)
    )
  end)

  test("the clock of another task goes while that runs, and ends with it", function()
    local profile = require "skynet.profile"
    local is_over = false
    local co = skynet.fork(function()
      skynet.wait()
      compute(20)
      skynet.wait()
      is_over = true
    end)
    skynet.yield()
    profile.start(co)
    compute(20)
    assert(profile.elapsed(co) < 0.02)
    skynet.wakeup(co)
    skynet.yield()
    local seconds = profile.elapsed(co)
    assert(seconds >= 0.02, seconds)
    skynet.wakeup(co)
    eventually(function()
      return is_over
    end)
    skynet.yield()
    refuses("profile.start", profile.stop, co)
  end)

  test("a program's own function stays in the place where it was put", function()
    local overriding = skynet.newservice "skynet/overriding"
    local name, kind = skynet.call(overriding, "lua")
    equal(name, "own x")
    equal(kind, "integer")
    skynet.kill(overriding)
  end)

  test("a queue lets one task in at a time, in the order of arrival", function()
    equal(skynet.queue, require "skynet.queue")
    local enter, order, inside = skynet.queue(), {}, 0
    together(5, function(i)
      enter(function(value)
        inside = inside + 1
        equal(inside, 1)
        skynet.sleep(i % 2)
        order[#order + 1] = value
        inside = inside - 1
      end, i)
    end)
    equal(table.concat(order), "12345")
  end)

  test("a queue returns what the function returns, and can be entered again inside", function()
    local enter = require "skynet.queue"()
    local values = table.pack(enter(function(...)
      return enter(function(...)
        return ...
      end, ...)
    end, 1, nil, 3))
    equal(values.n, 3)
    equal(values[3], 3)
  end)

  test("an error leaves the queue, a text with its traceback", function()
    local enter = require "skynet.queue"()
    refuses("^.*modules%.lua:%d+: boom\nstack traceback:\n", enter, function()
      error "boom"
    end)
    equal(select(2, pcall(enter, error, enter)), enter)
    equal(
      enter(function()
        return "free"
      end),
      "free"
    )
  end)

  test("a task that is ended while it queues does not hold the queue", function()
    local enter = require "skynet.queue"()
    local second
    skynet.fork(enter, skynet.sleep, 3)
    second = skynet.fork(enter, error, "never")
    skynet.yield()
    equal(skynet.killthread(second), second)
    equal(
      enter(function()
        return "through"
      end),
      "through"
    )
  end)

  test("requests are answered in the order in which they end", function()
    local peer = skynet.newservice "skynet/peer"
    local requests = skynet.request()
    requests:add { peer, "lua", "late", 3, "slow" }
    requests { peer, "lua", "echo", "quick", 2 }
    requests:add { peer, "lua", "raise", "boom", name = "failing" }
    local order, failed = {}, nil
    for request, response in requests:select() do
      if response then
        order[#order + 1] = response[1]
        if response[1] == "quick" then
          equal(response[2], 2)
          equal(response.n, 2)
        end
      else
        failed = request
      end
    end
    equal(table.concat(order, " "), "quick slow")
    equal(failed.name, "failing")
    match(failed.error, "boom")
    equal(requests.timeout, nil)
    skynet.kill(peer)
  end)

  test("a selection ends at its time, or when the loop is left", function()
    local peer = skynet.newservice "skynet/peer"
    local requests = skynet.request { peer, "lua", "hang" }
    for _ in requests:select(2) do
      error "nothing comes"
    end
    equal(requests.timeout, true)
    local rest = skynet.request({ peer, "lua", "echo", 1 }, { peer, "lua", "hang" })
    local left
    for _, response in rest:select() do
      left = response[1]
      if left then
        break
      end
    end
    equal(left, 1)
    skynet.yield()
    equal(skynet.task(), 0)
    skynet.kill(peer)
  end)

  test("a request to a service that dies is answered with false", function()
    local peer = skynet.newservice "skynet/peer"
    skynet.timeout(1, function()
      skynet.kill(peer)
    end)
    for request, response in skynet.request({ peer, "lua", "hang" }):select() do
      equal(response, false)
      match(request.error, "was killed")
    end
  end)

  test("a service can begin with a function", function()
    local service = require "skynet.service"
    local function main(first, second)
      local own = require "skynet"
      own.start(function()
        own.dispatch("lua", function()
          own.retpack(first, second, SERVICE_NAME)
        end)
      end)
    end
    local queried
    skynet.fork(function()
      queried = service.query "cell"
    end)
    local address = service.new("cell", main, 1, "two")
    equal(service.new("cell", main, 3), address)
    -- Whoever knows that it runs has no need of its function.
    equal(service.new "cell", address)
    equal(
      service.new("cell", function()
        return service
      end),
      address
    )
    local first, second, name = skynet.call(address, "lua")
    equal(first .. second .. name, "1twoservice_cell")
    equal(math.type(first), "integer")
    skynet.sleep(1)
    equal(queried, address)
    equal(service.close "cell", true)
    equal(service.close "cell", false)
    skynet.sleep(1)
    refuses("call to invalid address", skynet.call, address, "lua")
    refuses("no upvalue but _ENV", service.new, "other", function()
      return main
    end)
    refuses("in the cell", service.new, "failing", function()
      error "in the cell"
    end)
    skynet.sleep(1)
    refuses("in the cell", service.query, "failing")
    refuses("main function of a service", service.new, "failing")
  end)

  test(
    "code is run with or without the module in front, and sees what functions refer to",
    function()
      local inject = require "skynet.inject"
      local ok, lines = inject("print(1, ...)", nil, table.pack("a", nil, "b"))
      equal(ok, true)
      equal(table.concat(lines, " "), "1\ta\tnil\tb")
      local hidden = { n = 1 }
      local function uses()
        return hidden
      end
      local source = "print(...) print(_U.hidden.n) _U.hidden.n = 2"
      ok, lines = inject(skynet, source, "code", table.pack "x", uses)
      equal(ok, true)
      equal(table.concat(lines, " "), "x 1")
      equal(hidden.n, 2)
      equal(inject(skynet, "return 1"), true)
      ok, lines = inject(skynet, "error 'oops'", "code", {})
      equal(ok, false)
      match(lines[1], "code:1: oops")
      ok, lines = inject(skynet, "return +", "code", {})
      equal(ok, false)
      equal(#lines, 1)
    end
  )

  test("whoever asks for a service while it starts waits for it", function()
    local service = require "skynet.service"
    local first
    skynet.fork(function()
      first = service.new("slow cell", function()
        require("skynet").sleep(5)
      end)
    end)
    eventually(function()
      local address, is_starting = skynet.call("hive.provider", "lua", "test", "slow cell")
      return address or is_starting
    end)
    local second = service.new "slow cell"
    eventually(function()
      return first
    end)
    equal(first, second)
    service.close "slow cell"
  end)

  test("a service that begins with a function needs no start function", function()
    local service = require "skynet.service"
    local address = service.new("plain cell", function(...)
      local own = require "skynet"
      local arguments = ...
      own.sleep(1)
      own.dispatch("lua", function()
        own.retpack(arguments, own.task "init")
      end)
    end, { "a table" })
    local arguments, starting = skynet.call(address, "lua")
    equal(arguments[1], "a table")
    equal(starting, nil)
    equal(skynet.call(address, "lua")[1], "a table")
    equal(service.close "plain cell", true)
    refuses("in the start", service.new, "bad cell", function()
      require("skynet").start(function()
        error "in the start"
      end)
    end)
  end)

  test("skynet.coroutine is Lua's own, and waits", function()
    local co = require "skynet.coroutine"
    local task = coroutine.running()
    local wrapped = co.wrap(function(...)
      skynet.sleep(1)
      local inner_task, is_task = co.thread()
      equal(inner_task, task)
      equal(is_task, false)
      co.yield(...)
      error "out of the coroutine"
    end)
    equal(wrapped "a", "a")
    refuses("out of the coroutine", wrapped)
    local thread, is_task = co.thread()
    equal(thread, task)
    equal(is_task, true)
    local one = co.create(co.yield)
    equal(co.status(one), "suspended")
    equal(co.resume(one), true)
    equal(co.close(one), true)
    equal(co.status(one), "dead")
    equal(co.isyieldable(), true)
  end)

  test("memory is counted by service", function()
    local memory = require "skynet.memory"
    assert(memory.current() > 1000)
    assert(memory.total() > memory.current() / 2)
    assert(memory.block() >= 1)
    assert(memory.info()[skynet.self()] > 1000)
  end)

  test("the code cache has its module", function()
    local cache = require "skynet.codecache"
    equal(skynet.cache, cache)
    equal(cache.mode(), "ON")
    equal(type(cache.clear), "function")
    equal(type(cache.loadfile), "function")
  end)

  test("tasks that wait can be listed", function()
    local co = skynet.fork(function()
      skynet.wait "for ever"
    end)
    skynet.yield()
    local tasks = {}
    skynet.task(tasks)
    local session = skynet.task(co)
    equal(next(tasks), ("%s session: %d"):format(co, session))
    match(select(2, next(tasks)), "'wait'")
    match(skynet.task(session), "'wait'")
    equal(skynet.task(-1), "No session")
    equal(skynet.task(coroutine.create(print)), nil)
    equal(skynet.task(), 1)
    local name, place = next(skynet.uniqtask())
    equal(name, ("1\tsessions:[%d]"):format(session))
    match(place, "'wait'")
    match(skynet.task "init", "modules%.lua")
    equal(skynet.killthread(co), co)
  end)

  test("timers count as tasks until they begin", function()
    local timer = skynet.timeout(1000, print)
    equal(skynet.task(), 1)
    local tasks = {}
    skynet.task(tasks)
    local session = skynet.task(timer)
    equal(next(tasks), ("%s session: %d"):format(timer, session))
    match(skynet.task(session), "timer")
    match(select(2, next(skynet.uniqtask())), "timer")
    equal(skynet.killthread(tostring(timer)), timer)
    equal(skynet.task(), 0)
  end)

  test("a task that waits is ended without running any further", function()
    local steps = {}
    local co = skynet.fork(function()
      local _ <close> = setmetatable({}, {
        __close = function()
          steps[#steps + 1] = "closed"
        end,
      })
      pcall(skynet.wait, "for ever")
      steps[#steps + 1] = "went on"
    end)
    skynet.yield()
    equal(skynet.killthread(tostring(co)), co)
    equal(coroutine.status(co), "dead")
    equal(skynet.killthread(co), nil)
    equal(select("#", skynet.killthread "no such name"), 0)
    equal(select("#", skynet.task(co)), 0)
    equal(select("#", skynet.task "no session"), 0)
    skynet.yield()
    equal(table.concat(steps, " "), "closed")
    equal(skynet.wakeup "for ever", nil)
    equal(skynet.task(), 0)
  end)

  test("a fork and a timer can be ended before they begin", function()
    local ran = false
    local function run()
      ran = true
    end
    local co = skynet.fork(run)
    equal(skynet.killthread(co), co)
    local timer = skynet.timeout(1, run)
    equal(skynet.killthread(timer), timer)
    equal(skynet.killthread(coroutine.running()), nil)
    skynet.sleep(2)
    equal(ran, false)
  end)

  test("who waits for the answer of a task that is ended is told", function()
    local peer = skynet.newservice "skynet/peer"
    skynet.fork(function()
      skynet.sleep(1)
      local _, place = next(skynet.call(peer, "debug", "TASK"))
      match(place, "peer%.lua")
      equal(skynet.call(peer, "debug", "KILLTASK", "thread"), nil)
      equal(skynet.call(peer, "debug", "KILLTASK", "thread"), "Not found")
    end)
    refuses("was killed", skynet.call, peer, "lua", "hang")
    skynet.sleep(1)
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
    skynet.kill(peer)
  end)

  test("a coroutine is blocked while its task waits in it", function()
    local co_library = require "skynet.coroutine"
    local co = co_library.create(function()
      skynet.wait "other"
      coroutine.yield()
    end)
    skynet.fork(co_library.resume, co)
    skynet.yield()
    equal(co_library.status(co), "blocked")
    local ok, err = co_library.resume(co)
    equal(ok, false)
    match(err, "waits in it")
    skynet.wakeup "other"
    skynet.yield()
    equal(co_library.status(co), "suspended")
    equal(co_library.resume(co), true)
    equal(co_library.status(co), "dead")
  end)

  test("a request keeps its id through services", function()
    local peer = skynet.newservice "skynet/peer"
    equal(skynet.call(peer, "lua", "tag"), nil)
    skynet.fork(function()
      equal(skynet.tracetag(), nil)
      skynet.trace "begins"
      equal(skynet.tracetag(), require("hive").request_id())
      equal(skynet.call(peer, "lua", "tag"), skynet.tracetag())
      skynet.wakeup "traced"
    end)
    skynet.wait "traced"
    skynet.kill(peer)
  end)

  test("a request may be recorded, and followed by lines as well", function()
    local peer = skynet.newservice "skynet/peer"
    skynet.fork(function()
      local trace <close> = require("hive").trace()
      skynet.call(peer, "lua", "tag")
      local before = #trace:events()
      equal(before > 0, true)
      skynet.trace "begins"
      equal(skynet.call(peer, "lua", "tag"), skynet.tracetag())
      equal(#trace:events(), 2 * before)
      local tag = skynet.tracetag()
      do
        local inner <close> = require("hive").trace()
        equal(skynet.call(peer, "lua", "tag"), skynet.tracetag())
        equal(skynet.tracetag() ~= tag, true)
        equal(#inner:events() > 0, true)
      end
      equal(skynet.tracetag(), tag)
      trace:stop()
      -- Nothing is recorded any more, and lines go on to follow.
      equal(skynet.tracetag(), tag)
      local recorded = require("hive").trace()
      equal(skynet.tracetag(), tag)
      recorded:stop()
      equal(skynet.tracetag(), tag)
      skynet.wakeup "recorded"
    end)
    skynet.wait "recorded"
    skynet.kill(peer)
  end)

  test("a monitor is told of every end", function()
    local monitor = skynet.monitor "skynet/watcher"
    equal(skynet.monitor("skynet/watcher", true), monitor)
    local peer = skynet.newservice("skynet/peer", "with", 2, "arguments")
    local list = skynet.call(".launcher", "lua", "LIST")
    equal(list[skynet.address(peer)], "snlua skynet/peer with 2 arguments")
    skynet.kill(peer)
    for _ = 1, 300 do
      if skynet.call(monitor, "lua", peer) then
        break
      end
      skynet.sleep(1)
    end
    equal(skynet.call(monitor, "lua", peer), true)
    skynet.kill(monitor)
  end)

  test("numbers of protocols are fields", function()
    equal(skynet.PTYPE_TEXT, 0)
    equal(skynet.PTYPE_LUA, 10)
    equal(skynet.no_such_function, nil)
  end)

  check.done()
  skynet.abort()
end)
