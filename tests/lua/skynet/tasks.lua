-- Tasks of a skynet service: forks, timers, sleeping, waiting and waking; clocks.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"

local equal, refuses, test = check.equal, check.refuses, check.test

skynet.start(function()
  test("a fork runs after what is running, in order, with its arguments", function()
    local order = {}
    local co = skynet.fork(function(...)
      order[#order + 1] = table.concat({ ... })
    end, "a", 1)
    equal(type(co), "thread")
    skynet.fork(function()
      order[#order + 1] = "b"
    end)
    order[#order + 1] = "main"
    skynet.yield()
    equal(table.concat(order, " "), "main a1 b")
    refuses("function expected", skynet.fork, 1)
  end)

  test("what has a __call is as good as a function", function()
    local order = {}
    local noting = setmetatable({}, {
      __call = function(_, ...)
        skynet.yield()
        order[#order + 1] = table.concat({ ... }, " ")
      end,
    })
    skynet.fork(noting, "forked", 1)
    skynet.timeout(0, noting)
    skynet.timeout(1, noting)
    eventually(function()
      return #order == 3
    end)
    equal(table.concat(order, ","), "forked 1,,")
    local answering = setmetatable({}, {
      __call = function(_, _, _, ...)
        skynet.retpack("answered", ...)
      end,
    })
    skynet.dispatch("lua", answering)
    equal(select(2, skynet.call(skynet.self(), "lua", "x")), "x")
    local unpacking = setmetatable({}, {
      __call = function(_, msg, sz)
        return skynet.tostring(msg, sz), "unpacked"
      end,
    })
    skynet.register_protocol {
      name = "called",
      id = 99,
      pack = tostring,
      unpack = unpacking,
      dispatch = answering,
    }
    equal(skynet.unpack(skynet.call(skynet.self(), "called", 7)), "answered")
    -- The same for what is filled in later, and for the functions that answers are packed by.
    local late = { name = "later", id = 98, pack = skynet.pack, unpack = skynet.unpack }
    skynet.register_protocol(late)
    late.dispatch = setmetatable({}, {
      __call = function(_, _, _, ...)
        skynet.response(setmetatable({}, {
          __call = function(_, ...)
            return skynet.pack("packed", ...)
          end,
        }))(true, ...)
      end,
    })
    equal(select(2, skynet.call(skynet.self(), "later", 7)), 7)
    equal(skynet.call(skynet.self(), "later"), "packed")
    local unknown
    skynet.register_protocol {
      name = "unhandled",
      id = 97,
      pack = skynet.pack,
      unpack = skynet.unpack,
    }
    local before = skynet.dispatch_unknown_request(setmetatable({}, {
      __call = function(_, _, _, _, _, name)
        unknown = name
      end,
    }))
    skynet.send(skynet.self(), "unhandled")
    skynet.yield()
    equal(unknown, "unhandled")
    skynet.dispatch_unknown_request(before)
    refuses("function expected", skynet.dispatch_unknown_response, {})
    refuses("function expected", skynet.fork, {})
    refuses("function expected", skynet.timeout, 1, setmetatable({}, {}))
  end)

  test("a failing fork harms nothing else", function()
    skynet.fork(error, "expected by the test")
    skynet.yield()
  end)

  test("a sleep takes its time, in ticks of ten milliseconds", function()
    local began = skynet.hpc()
    equal(select("#", skynet.sleep(3)), 0)
    local took_ms = (skynet.hpc() - began) / 1e6
    -- The first of its ticks has begun before.
    assert(took_ms >= 20, took_ms)
  end)

  test("a wake-up ends a sleep early", function()
    local result
    local co = skynet.fork(function()
      result = skynet.sleep(10000)
    end)
    skynet.yield()
    equal(skynet.wakeup(co), true)
    equal(skynet.wakeup(co), nil)
    skynet.yield()
    equal(result, "BREAK")
  end)

  test("tokens name waits", function()
    local order, token = {}, {}
    for i = 1, 2 do
      skynet.fork(function()
        skynet.wait(token)
        order[#order + 1] = i
      end)
    end
    skynet.fork(function()
      order[#order + 1] = skynet.sleep(10000, "sleeper")
    end)
    skynet.yield()
    equal(skynet.wakeup "nobody", nil)
    equal(skynet.wakeup "sleeper", true)
    equal(skynet.wakeup(token), true)
    equal(skynet.wakeup(token), true)
    skynet.yield()
    equal(table.concat(order, " "), "BREAK 1 2")
  end)

  test("a wait without a token waits for the coroutine", function()
    local main, woken = coroutine.running(), false
    skynet.fork(function()
      woken = true
      skynet.wakeup(main)
    end)
    equal(select("#", skynet.wait()), 0)
    equal(woken, true)
  end)

  test("timers run in the order of their times, and can be cancelled", function()
    local order, main = {}, coroutine.running()
    local function note(name)
      return function()
        order[#order + 1] = name
      end
    end
    skynet.timeout(3, function()
      skynet.wakeup(main)
    end)
    skynet.timeout(2, note "second")
    skynet.timeout(1, note "first")
    skynet.timeout(0, note "at once")
    local never = skynet.timeout(2, note "never")
    equal(never:cancel(), true)
    skynet.wait(main)
    equal(table.concat(order, " "), "at once first second")
  end)

  test("the task of a timer can be woken by what timeout returned", function()
    local result
    local timer = skynet.timeout(0, function()
      result = skynet.sleep(10000)
    end)
    equal(skynet.wakeup(timer), nil)
    skynet.yield()
    equal(math.type(skynet.task(timer)), "integer")
    equal(skynet.wakeup(timer), true)
    skynet.yield()
    equal(result, "BREAK")
    equal(skynet.wakeup(timer), nil)
    equal(skynet.wakeup(nil), nil)
    skynet.fork(skynet.wakeup, timer)
    skynet.wait(timer)
  end)

  test("a timer may wait", function()
    local main = coroutine.running()
    skynet.timeout(0, function()
      skynet.sleep(1)
      skynet.wakeup(main)
    end)
    skynet.wait(main)
  end)

  test("waiting works inside coroutines of the program", function()
    local co = coroutine.wrap(function()
      skynet.sleep(1)
      coroutine.yield "yielded"
      return "returned"
    end)
    equal(co(), "yielded")
    equal(co(), "returned")
  end)

  test("where nothing can wait, the error says so", function()
    local function waits(a, b)
      skynet.sleep(1)
      return a < b
    end
    refuses("skynet%.sleep cannot wait here", table.sort, { 1, 2, 3 }, waits)
    refuses("attempt to yield across a C%-call boundary", table.sort, { 1, 2, 3 }, waits)
  end)

  test("clocks agree", function()
    equal(math.type(skynet.now()), "integer")
    equal(math.type(skynet.hpc()), "integer")
    equal(math.type(skynet.starttime()), "integer")
    assert(math.abs(skynet.time() - os.time()) < 3)
    assert(math.abs(skynet.starttime() + skynet.now() / 100 - skynet.time()) < 1)
  end)

  check.done()
  require "skynet.manager".abort()
end)
