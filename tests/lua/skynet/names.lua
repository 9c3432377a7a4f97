-- Names of all nodes, queues of messages, and the functions of `skynet.core`.

local check = require "check"
local core = require "skynet.core"
local harbor = require "skynet.harbor"
local mqueue = require "skynet.mqueue"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

skynet.start(function()
  test("a name of all nodes leads to a service", function()
    harbor.globalname "FIRST"
    equal(harbor.queryname "FIRST", skynet.self())
    local peer = skynet.newservice "skynet/peer"
    harbor.globalname("PEER", peer)
    equal(skynet.call("PEER", "lua", "echo", 1), 1)
    equal(harbor.queryname ".launcher", skynet.localname ".launcher")
    equal(skynet.localname "PEER", nil)
    equal(core.addresscommand("QUERY", "PEER"), nil)
    equal(core.named "PEER", peer)
    skynet.kill(peer)
  end)

  test("who asks for a name waits until there is one", function()
    local found, main = {}, coroutine.running()
    for i = 1, 2 do
      skynet.fork(function()
        found[i] = harbor.queryname "LATER"
        if #found == 2 then
          skynet.wakeup(main)
        end
      end)
    end
    -- Both requests are there before this one.
    refuses("one node", skynet.call, ".cslave", "lua", "CONNECT", 2)
    equal(#found, 0)
    skynet.register "LATER"
    skynet.wait(main)
    equal(found[1], skynet.self())
    equal(found[2], skynet.self())
  end)

  test("for a name of one node nobody waits", function()
    equal(harbor.queryname ".nobody", nil)
    equal(skynet.call(".cslave", "lua", "QUERYNAME", ".nobody"), nil)
  end)

  test("an address is no name", function()
    refuses("it is an address", skynet.register, ":00000010")
    refuses("it is an address", skynet.name, ":00000010", skynet.self())
  end)

  test("there is one node", function()
    refuses("one node", harbor.connect, 2)
    equal(select("#", harbor.link(2)), 0)
    equal(select("#", harbor.linkmaster()), 0)
    refuses("no command", skynet.call, ".cslave", "lua", "NOTHING")
  end)

  test("messages of a queue are handled one after the other", function()
    local log, inside = {}, 0
    mqueue.send(skynet.self(), "early")
    skynet.yield()
    equal(mqueue.size(), 1)
    mqueue.register(function(name)
      inside = inside + 1
      equal(inside, 1)
      skynet.sleep(1)
      inside = inside - 1
      if name == "fails" then
        error "expected by the test"
      elseif name == "refuses" then
        error { code = 5 }
      end
      log[#log + 1] = name
      return #log, name
    end)
    mqueue.send(skynet.self(), "second")
    refuses("expected by the test", mqueue.call, skynet.self(), "fails")
    local _, refusal = pcall(mqueue.call, skynet.self(), "refuses")
    equal(refusal.code, 5)
    local count, name = mqueue.call(skynet.self(), "last")
    equal(count, 3)
    equal(name, "last")
    equal(table.concat(log, " "), "early second last")
    equal(mqueue.size(), 0)
    refuses("already", mqueue.register, print)
  end)

  test("the functions of the core do what those of the module do", function()
    equal(core.command "REG", skynet.address(skynet.self()))
    equal(core.addresscommand "REG", skynet.self())
    equal(core.command("REG", ".by_command"), "by_command")
    equal(core.addresscommand("QUERY", ".by_command"), skynet.self())
    equal(core.addresscommand("QUERY", ".nobody"), nil)
    equal(core.command("GETENV", "nothing"), nil)
    core.command("SETENV", "by_command two words")
    equal(core.command("GETENV", "by_command"), "two words")
    equal(core.intcommand "STARTTIME", skynet.starttime())
    equal(core.intcommand("STAT", "mqlen"), 0)
    local peer = core.addresscommand("LAUNCH", "snlua skynet/peer")
    equal(core.command("NAME", ".launched " .. skynet.address(peer)), "launched")
    equal(skynet.call(".launched", "lua", "echo", 2), 2)
    core.command("KILL", skynet.address(peer))
    refuses("^call ", skynet.call, peer, "lua", "hang")
    equal(core.command "NOTHING", nil)
    equal(core.command("REG .glued"), nil)
    equal(core.intcommand "NOTHING", nil)
    equal(core.addresscommand "NOTHING", nil)
    refuses("no command SIGNAL", core.command, "SIGNAL", skynet.address(peer))
    refuses("skynet.monitor", core.command, "MONITOR")
    refuses("skynet.dispatch", core.callback, print)
    equal(core.unpack(core.packstring "x"), "x")
  end)

  test("a message that the core sends has a session, under which nobody waits", function()
    local answers, main = {}, coroutine.running()
    skynet.dispatch_unknown_response(function(session, _, msg, sz)
      answers[session] = skynet.tostring(msg, sz)
      skynet.wakeup(main)
    end)
    local peer = skynet.newservice "skynet/peer"
    local session = core.send(peer, skynet.PTYPE_LUA, nil, skynet.pack("echo", "x"))
    skynet.wait(main)
    equal(skynet.unpack(answers[session]), "x")
    equal(core.send(peer, skynet.PTYPE_LUA, 0, skynet.pack "count"), 0)
    equal(skynet.call(peer, "lua", "counted"), 1)
    local timer = core.intcommand("TIMEOUT", 1)
    skynet.wait(main)
    equal(answers[timer], "")
    skynet.kill(peer)
    while core.send(peer, skynet.PTYPE_LUA, nil, skynet.pack "count") do
      skynet.yield()
    end
  end)

  test("what asks for the allocator of C programs says that there is none", function()
    local memory = require "skynet.memory"
    equal(memory.mallctl "stats.allocated", 0)
    equal(memory.profactive(true), false)
    equal(memory.jestat(), nil)
    equal(memory.dumpheap(), nil)
    match(tostring(memory.current()), "^%d+$")
  end)

  check.done()
  skynet.abort()
end)
