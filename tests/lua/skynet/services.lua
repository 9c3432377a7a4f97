-- The life of skynet services: start, names, unique services, the launcher, settings, the end.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

local function start(mode, ...)
  return skynet.newservice("skynet/life", mode, ...)
end

skynet.start(function()
  test("a service gets its arguments as they are", function()
    local s = start("arguments", 1, true, "two words", 2.5, { 1 })
    local n, types = skynet.call(s, "lua")
    equal(n, 5)
    equal(types, "integer boolean string float table")
    skynet.kill(s)
  end)

  test("words behind the name of a service are its first arguments", function()
    local s = skynet.newservice("skynet/life arguments  a b", 1)
    local n, types = skynet.call(s, "lua")
    equal(n, 3)
    equal(types, "string string integer")
    skynet.kill(s)
  end)

  test("a service is found by a name with a point in front, and in a folder of its own", function()
    local s = skynet.newservice("./skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    match(
      skynet.call(".launcher", "lua", "LIST")[skynet.address(s)],
      "^snlua %./skynet/life plain$"
    )
    skynet.kill(s)
    s = skynet.newservice "skynet/folder"
    local name, path = skynet.call(s, "lua")
    equal(name, "skynet/folder")
    match(path, "/skynet/folder/$")
    skynet.kill(s)
  end)

  test("a start function serves no request", function()
    local s = start "answers_in_start"
    equal(skynet.call(s, "lua"), "false 2")
    skynet.kill(s)
  end)

  test("newservice returns when the start function has ended", function()
    local began = skynet.hpc()
    local s = start "slow"
    assert(skynet.hpc() - began >= 10e6)
    equal(skynet.call(s, "lua"), "started")
    skynet.kill(s)
  end)

  test("a service that starts can be called back", function()
    skynet.dispatch("lua", function(_, source)
      skynet.retpack(skynet.call(source, "lua"))
    end)
    local s = start("calls_back", skynet.self())
    equal(skynet.call(s, "lua"), "called back")
    skynet.kill(s)
  end)

  test("what fails while a service starts is told to who wanted it", function()
    refuses("call failed.*no file", skynet.newservice, "there_is_no_such_service")
    match(refuses("in the file", start, "fails_in_file"), "stack traceback")
    refuses("call failed.*in the start", start, "fails_in_start")
    refuses("unfinished%.lua:%d+:", skynet.newservice, "bad/unfinished")
  end)

  test("a service that exits while it starts has no address, and that is no failure", function()
    equal(start "exits_in_start", nil)
    equal(skynet.call(".launcher", "lua", "LAUNCH", "snlua", "skynet/life", "exits_in_start"), nil)
  end)

  test("a unique service that exits while it starts is an error for who asked", function()
    local reason
    skynet.fork(function()
      reason = select(2, pcall(skynet.queryservice, "skynet/life"))
    end)
    skynet.yield()
    local why = "skynet/life exited while it started"
    refuses(why, skynet.uniqueservice, "skynet/life", "exits_in_start")
    eventually(function()
      return reason
    end)
    match(reason, why)
    equal(skynet.call(".service", "lua", "LIST")["skynet/life"], nil)
    skynet.kill(skynet.uniqueservice("skynet/life", "plain"))
  end)

  test("a service that kills itself goes on until it waits", function()
    local told = {}
    skynet.dispatch("lua", function(_, _, what)
      told[#told + 1] = what
    end)
    refuses("was killed", start, "kills_itself", skynet.self())
    skynet.yield()
    equal(table.concat(told, " "), "killed")
  end)

  test("no other task of a service runs when one has called exit", function()
    local told = {}
    skynet.dispatch("lua", function(_, _, what)
      told[#told + 1] = what
    end)
    local s = start("exits_in_fork", skynet.self())
    refuses("it exited", skynet.call, s, "debug", "LINK")
    skynet.yield()
    equal(table.concat(told, " "), "exits")
  end)

  test("no message that waits is handled when a task of a service has called exit", function()
    local told = {}
    skynet.dispatch("lua", function(session, _, what)
      told[#told + 1] = what
      if session ~= 0 then
        skynet.retpack()
      end
    end)
    for i = 1, 10 do
      start("exits_before_messages", skynet.self())
      eventually(function()
        return #told >= 2 * i
      end)
      skynet.sleep(2)
    end
    equal(table.concat(told, " "), ("asks exits "):rep(10):sub(1, -2))
  end)

  test("asking for the handler of debugging commands may run code that registers others", function()
    local told
    skynet.dispatch("lua", function(_, _, what)
      told = what
    end)
    local s = start("wraps_require", skynet.self())
    skynet.yield()
    equal(told, "function")
    equal(skynet.call(s, "lua"), "registered")
    skynet.kill(s)
  end)

  test("what is open is closed when a service exits, that of its last task last", function()
    local told = {}
    skynet.dispatch("lua", function(_, _, what)
      told[#told + 1] = what
    end)
    refuses("it exited", skynet.call, start("open", skynet.self()), "lua")
    skynet.yield()
    equal(table.concat(told, " "), "waits exits")
  end)

  test("what a file sends its own service comes before the start function and forks", function()
    local s = start "early"
    equal(skynet.call(s, "lua"), "message fork timer init start")
    skynet.kill(s)
  end)

  test("init functions run before the start function, in order", function()
    local s = start "init"
    equal(skynet.call(s, "lua"), "one two start")
    skynet.kill(s)
  end)

  test("a module that is loaded later runs its init functions before require returns", function()
    local s = start "late_init"
    equal(skynet.call(s, "lua"), "init required")
    skynet.kill(s)
  end)

  test("names lead to services until they end", function()
    local s = start "plain"
    skynet.name(".plain_one", s)
    skynet.name("GLOBAL", s)
    equal(skynet.localname ".plain_one", s)
    equal(skynet.call(".plain_one", "lua"), "plain")
    equal(skynet.call("GLOBAL", "lua"), "plain")
    equal(skynet.call(skynet.address(s), "lua"), "plain")
    equal(skynet.call(tostring(s), "lua"), "plain")
    refuses("call to invalid address 1234567", skynet.call, "1234567", "lua")
    refuses("belongs to service", skynet.register, ".plain_one")
    skynet.kill(s)
    equal(select("#", skynet.localname ".plain_one"), 0)
    refuses("call to invalid address %.plain_one", skynet.call, ".plain_one", "lua")
    refuses("not there", skynet.name, ".again", s)
    skynet.register ".suite"
    equal(skynet.localname ".suite", skynet.self())
  end)

  test("addresses are numbers with a text", function()
    equal(math.type(skynet.self()), "integer")
    equal(skynet.address(42), ":0000002a")
    equal(skynet.address ".name", ".name")
  end)

  test("a unique service is started once, whoever asks", function()
    local addresses, main = {}, coroutine.running()
    for i = 1, 3 do
      skynet.fork(function()
        addresses[i] = skynet.uniqueservice("skynet/life", "slow")
        if #addresses == 3 then
          skynet.wakeup(main)
        end
      end)
    end
    local queried
    skynet.fork(function()
      queried = skynet.queryservice "skynet/life"
    end)
    skynet.wait(main)
    skynet.yield()
    skynet.sleep(1)
    equal(addresses[1], addresses[2])
    equal(addresses[2], addresses[3])
    equal(queried, addresses[1])
    equal(skynet.uniqueservice("skynet/life", "plain"), addresses[1])
    skynet.kill(addresses[1])
  end)

  test("whoever launches a unique service has it before those who asked for it earlier", function()
    local order, s = {}, nil
    local function ask(who, f, ...)
      skynet.fork(function(...)
        s = f("skynet/life", ...)
        order[#order + 1] = who
      end, ...)
      skynet.sleep(1)
    end
    ask("query", skynet.queryservice)
    ask("second query", skynet.queryservice)
    ask("launch", skynet.uniqueservice, "slow")
    ask("second launch", skynet.uniqueservice)
    eventually(function()
      return #order == 4
    end)
    equal(table.concat(order, ", "), "launch, query, second query, second launch")
    skynet.kill(s)
  end)

  test("a service that the cluster has once is another one than that of the host", function()
    local queried, queried_globally
    skynet.fork(function()
      queried = skynet.queryservice "skynet/life"
    end)
    skynet.fork(function()
      queried_globally = skynet.queryservice(true, "skynet/life")
    end)
    local global = skynet.uniqueservice(true, "skynet/life", "plain")
    eventually(function()
      return queried_globally
    end)
    equal(queried_globally, global)
    equal(queried, nil)
    local own = skynet.uniqueservice("skynet/life", "plain")
    assert(own ~= global)
    eventually(function()
      return queried
    end)
    equal(queried, own)
    equal(skynet.uniqueservice(true, "skynet/life"), global)
    equal(skynet.uniqueservice "@skynet/life", global)
    local nothing, problem = skynet.call(".service", "lua", "NOTHING")
    equal(nothing, nil)
    equal(problem, "Invalid command NOTHING")
    local list = skynet.call(".service", "lua", "LIST")
    equal(list["skynet/life"], skynet.address(own))
    equal(list["@skynet/life"], skynet.address(global))
    refuses("is a string", skynet.uniqueservice, true)
    skynet.kill(own)
    skynet.kill(global)
  end)

  test("a unique service that fails tells why, and can be tried again", function()
    refuses("in the start", skynet.uniqueservice, "skynet/fails", "fail")
    refuses("in the start", skynet.queryservice, "skynet/fails")
    match(skynet.call(".service", "lua", "LIST")["skynet/fails"], "^Error: .*in the start")
    local s = skynet.uniqueservice("skynet/fails", "work")
    equal(skynet.call(s, "lua"), "works")
    equal(skynet.queryservice "skynet/fails", s)
    equal(skynet.call(".service", "lua", "LIST")["skynet/fails"], skynet.address(s))
    skynet.kill(s)
  end)

  test("the launcher lists, measures and kills", function()
    local s = start "plain"
    local address = skynet.address(s)
    match(skynet.call(".launcher", "lua", "LIST")[address], "^snlua .*life")
    match(skynet.call(".launcher", "lua", "MEM")[address], "^[%d.]+ Kb %(snlua .*life")
    match(skynet.call(".launcher", "lua", "GC")[address], "Kb")
    equal(type(skynet.call(".launcher", "lua", "STAT")[address].message), "number")
    local hive = require "hive"
    local echo = hive.spawn "service.echo"
    match(skynet.call(".launcher", "lua", "MEM")[skynet.address(echo)], "^ERROR %(.*protocol 9")
    hive.kill(echo)
    local busy = start "busy"
    skynet.send(busy, "lua")
    match(
      skynet.call(".launcher", "lua", "MEM", 2)[skynet.address(busy)],
      "^TIMEOUT %(snlua .*life"
    )
    skynet.kill(busy)
    equal(skynet.call(skynet.launch("snlua skynet/life plain"), "lua"), "plain")
    local other = skynet.call(".launcher", "lua", "LAUNCH", "snlua", "skynet/life", "plain")
    equal(skynet.call(other, "lua"), "plain")
    match(skynet.call(".launcher", "lua", "KILL", other)[skynet.address(other)], "life")
    skynet.kill(s)
    equal(skynet.call(".launcher", "lua", "LIST")[address], nil)
    equal(skynet.call(".launcher", "lua", "LAUNCHOK"), nil)
    equal(skynet.call(".launcher", "lua", "NOTHING")[1], "Unknown command")
  end)

  test("the launcher tells which service a launch is starting", function()
    local launched, session
    skynet.fork(function()
      local name, own = "skynet/life", skynet.self()
      launched = skynet.call(".launcher", "lua", "LAUNCH", "snlua", name, "asks", own)
      skynet.wakeup(session)
    end)
    local asked = coroutine.running()
    skynet.dispatch("lua", function(_, source)
      -- The service starts now: its start function asks this one.
      session = { source = source, answer = skynet.response() }
      skynet.wakeup(asked)
    end)
    skynet.wait(asked)
    local found
    for number in pairs(require("skynet.core").tasks()) do
      found = found or skynet.call(".launcher", "lua", "QUERY", number)
    end
    equal(found, session.source)
    equal(skynet.call(".launcher", "lua", "QUERY", 0), nil)
    session.answer(true)
    skynet.wait(session)
    equal(launched, found)
    for number in pairs(require("skynet.core").tasks()) do
      equal(skynet.call(".launcher", "lua", "QUERY", number), nil)
    end
    skynet.kill(launched)
  end)

  test("what services tell the launcher of themselves is taken and changes nothing", function()
    local s = start "plain"
    for _, name in ipairs { "REMOVE", "ERROR", "LAUNCHOK" } do
      equal(skynet.call(".launcher", "lua", name, s), nil)
      equal(skynet.send(".launcher", "lua", name, s), 0)
    end
    match(skynet.call(".launcher", "lua", "LIST")[skynet.address(s)], "life")
    equal(skynet.call(s, "lua"), "plain")
    refuses(
      "call failed.*in the start",
      skynet.call,
      ".launcher",
      "lua",
      "LAUNCH",
      "snlua",
      "skynet/fails",
      "fail"
    )
    refuses("no file", skynet.call, ".launcher", "lua", "LOGLAUNCH", "snlua", "there_is_none")
    skynet.kill(s)
  end)

  test("a function is called in protected mode by a name of old", function()
    local ok, first, second = skynet.pcall(function(...)
      return ..., select("#", ...)
    end, "x", 2)
    equal(ok, true)
    equal(first, "x")
    equal(second, 2)
    local failed, err = skynet.pcall(error, "boom")
    equal(failed, false)
    equal(err, "boom")
    failed, err = skynet.pcall(error, { code = 1 })
    equal(failed, false)
    equal(err.code, 1)
    local waited = skynet.pcall(skynet.sleep, 0)
    equal(waited, true)
  end)

  test("traces are lines with nanoseconds, and trace_timeout has nothing to do", function()
    local logger = skynet.newservice("skynet/life", "keeps_log")
    local before = skynet.hpc()
    skynet.tracelog("a tag", "a step")
    equal(select("#", skynet.trace_timeout(true)), 0)
    equal(select("#", skynet.trace_timeout(false)), 0)
    local line = skynet.call(logger, "lua")
    local tag, time, text = line:match "^<TRACE (.-)> (%d+) (.*)$"
    equal(tag, "a tag")
    equal(text, "a step")
    assert(tonumber(time) >= before and tonumber(time) <= skynet.hpc())
    skynet.kill(logger)
  end)

  test("a service that was killed is not listed, and leaves its name to others", function()
    local first, second = start "busy", start "plain"
    skynet.name(".successor", first)
    skynet.send(first, "lua")
    skynet.kill(first)
    skynet.name(".successor", second)
    equal(skynet.localname ".successor", second)
    equal(skynet.call(".launcher", "lua", "LIST")[skynet.address(first)], nil)
    skynet.kill(second)
    equal(skynet.localname ".successor", nil)
  end)

  test("every service answers debugging commands", function()
    local s = start "plain"
    equal(type(skynet.call(s, "debug", "MEM")), "number")
    equal(type(skynet.call(s, "debug", "GC")), "number")
    equal(skynet.call(s, "debug", "PING"), nil)
    equal(skynet.call(s, "debug", "INFO", "x"), "info x")
    equal(skynet.call(s, "debug", "own", 1), "own command 1")
    equal(select("#", skynet.call(s, "debug", "PING")), 0)
    local stat = skynet.call(s, "debug", "STAT")
    equal(stat.mqlen, 0)
    refuses("no debugging command", skynet.call, s, "debug", "NOTHING")
    local ended
    skynet.fork(function()
      ended = select(2, pcall(skynet.call, s, "debug", "LINK"))
    end)
    skynet.sleep(1)
    refuses("it exited", skynet.call, s, "debug", "EXIT")
    skynet.sleep(1)
    match(ended, "it exited")
  end)

  test("code can be run inside a service that lives", function()
    local s = start "inject"
    local source = [[print(_P.lua.counters.n, ...); _P.lua.counters.n = 100]]
    local ok, output = skynet.call(s, "debug", "RUN", source, nil, "argument")
    equal(output, "1\targument")
    equal(ok, true)
    equal(skynet.call(s, "lua"), 101)
    source = "print(_P.lua._ENV.SERVICE_NAME, _U.counters == _P.lua.counters)"
    equal(select(2, skynet.call(s, "debug", "RUN", source)), "skynet/life\ttrue")
    ok, output = skynet.call(s, "debug", "RUN", "error 'oops'")
    equal(ok, false)
    match(output, "oops")
    ok, output = skynet.call(s, "debug", "RUN", "return +")
    equal(ok, false)
    match(output, "unexpected symbol")
    skynet.kill(s)
  end)

  test("settings are strings that are made once", function()
    equal(skynet.getenv "color", "green")
    equal(skynet.getenv "nothing", nil)
    equal(skynet.getenv "logservice", "logger")
    equal(skynet.getenv "thread", "2")
    equal(skynet.getenv "harbor", "0")
    skynet.setenv("answer", 42)
    equal(skynet.getenv "answer", "42")
    refuses("answer", skynet.setenv, "answer", 43)
    refuses("color", skynet.setenv, "color", "red")
    refuses("string expected", skynet.setenv, "absent", nil)
    refuses("string expected", skynet.setenv, "absent", true)
    refuses("string expected", skynet.setenv, "absent", {})
    equal(skynet.getenv "absent", nil)
  end)

  test("hive and skynet services call each other", function()
    local hive = require "hive"
    local echo = hive.spawn "service.echo"
    equal(skynet.call(echo, "lua", "echo", 7), 7)
    refuses("has no handler `nothing`", skynet.call, echo, "lua", "nothing")
    refuses("no messages of protocol 9", skynet.call, echo, "debug", "MEM")
    local number = skynet.localname(skynet.address(echo))
    equal(skynet.call(number, "lua", "echo", 8), 8)
    local s = start "plain"
    local found = hive.find(skynet.address(s))
    equal(found:anything(), "plain")
    equal(skynet.call(found, "lua"), "plain")
    local peer = skynet.newservice "skynet/peer"
    local err = check.fails("error", hive.call, skynet.address(peer), "raise", "boom")
    match(err.traceback, "peer%.lua")
    check.fails("error", hive.call, skynet.address(peer), "forget")
    hive.kill(hive.find(skynet.address(peer)))
    hive.kill(echo)
    refuses("was killed", skynet.call, number, "lua", "echo", 8)
    skynet.kill(s)
  end)

  test("the module shows all its functions to who copies them", function()
    local names = {}
    for name, value in pairs(skynet) do
      names[name] = type(value)
    end
    equal(names.uniqueservice, "function")
    equal(names.redirect, "function")
    equal(names.PTYPE_TRACE, "number")
    equal(names.cache, "table")
  end)

  test("figures of the service itself", function()
    equal(skynet.mqlen(), 0)
    equal(skynet.stat "mqlen", 0)
    assert(skynet.stat "message" > 0)
    assert(skynet.stat "task" > 0)
    equal(skynet.endless(), false)
    refuses("expected mqlen", skynet.stat, "nothing")
  end)

  test("time is that of the present run, and cpu that of those before", function()
    local function compute()
      local stop = skynet.hpc() + 30e6
      repeat
      until skynet.hpc() > stop
    end
    for _ = 1, 100 do
      skynet.yield()
    end
    local before = skynet.stat "cpu"
    skynet.yield()
    compute()
    local time = skynet.stat "time"
    assert(time >= 0.03 and time < 3, time)
    skynet.sleep(1)
    local cpu = skynet.stat "cpu" - before
    assert(cpu >= time and cpu < time + 3, cpu)
    assert(skynet.stat "time" < 0.03)
    equal(skynet.stat "endless", 0)
  end)

  test("messages are counted as they are handled", function()
    skynet.dispatch("lua", function() end)
    local before = skynet.stat "message"
    for _ = 1, 3 do
      skynet.send(skynet.self(), "lua")
    end
    equal(skynet.mqlen(), 3)
    equal(skynet.stat "mqlen", 3)
    skynet.yield()
    -- The last one ended the yield.
    equal(skynet.stat "message" - before, 4)
    equal(skynet.mqlen(), 0)
  end)

  check.done()
  skynet.abort()
end)
