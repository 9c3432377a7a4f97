-- What a program does in the place of the host: filters, messages and answers by hand, the end of
-- calls.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  pack = skynet.packstring,
  unpack = skynet.unpack,
}

local function raw_text(address, text)
  return skynet.unpack(skynet.rawcall(address, "text", text))
end

skynet.start(function()
  test("a filter sees every request and may change it", function()
    local filtering = skynet.newservice "skynet/filtering"
    local seen, source, alive, x = skynet.call(filtering, "lua", "x")
    equal(seen, 1)
    equal(source, skynet.self())
    equal(alive, 0)
    equal(x, "x")
    local protocol, text
    seen, source, alive, protocol, text = raw_text(filtering, "hello")
    equal(seen, 2)
    equal(source, skynet.self())
    equal(alive, 0)
    equal(protocol .. text, "texthello")
    equal(select(2, raw_text(filtering, "foreign")), 77)
    refuses("expected by the test", skynet.rawcall, filtering, "text", "error")
    refuses("let go of the message", skynet.rawcall, filtering, "text", "nothing")
    equal(skynet.call(filtering, "lua"), 6)
    skynet.kill(filtering)
  end)

  test("a filter and what starts a service may be values with a __call", function()
    local filtering = skynet.newservice("skynet/filtering", true)
    equal(skynet.call(filtering, "lua"), 1)
    equal(select(5, raw_text(filtering, "hello")), "hello")
    skynet.kill(filtering)
  end)

  test("a program's own dispatcher gets every request before its handler", function()
    local tiny = skynet.newservice "skynet/tiny"
    skynet.send(tiny, "lua", "set", "a", 7)
    equal(skynet.call(tiny, "lua", "get", "a"), 7)
    equal(skynet.call(tiny, "lua", "get", "b"), nil)
    local seen, source, first, second = skynet.call(tiny, "lua", "other")
    equal(seen, 4)
    equal(source, skynet.self())
    equal(first .. " " .. second, "passed other")
    refuses("expected by the test", skynet.call, tiny, "lua", "fail")
    skynet.call(tiny, "debug", "PING")
    local ok, err
    skynet.fork(function()
      ok, err = pcall(skynet.call, tiny, "lua", "never")
    end)
    skynet.sleep(2)
    equal(ok, nil)
    skynet.kill(tiny)
    eventually(function()
      return ok ~= nil
    end)
    equal(ok, false)
    match(err, "killed")
  end)

  test("what a dispatcher has kept is answered to those who asked", function()
    local postponing, answers = skynet.newservice "skynet/postponing", {}
    for _, name in ipairs { "first", "late", "third" } do
      skynet.fork(function()
        local answer, rounds = skynet.call(postponing, "lua", name)
        answers[#answers + 1] = ("%s=%s %d"):format(name, answer, rounds)
      end)
    end
    eventually(function()
      return #answers == 3
    end)
    equal(table.concat(answers, ", "), "first=first 3, third=third 3, late=late 3")
    local again = {}
    for number = 1, 3 do
      skynet.fork(function()
        again[number] = skynet.call(postponing, "lua", "again")
      end)
    end
    eventually(function()
      return again[1] and again[2] and again[3]
    end)
    equal(table.concat(again, " "), "done done done")
    skynet.kill(postponing)
  end)

  test("a message can be handled as if it had come", function()
    local got
    skynet.dispatch("lua", function(session, source, ...)
      got = table.pack(session, source, ...)
    end)
    local msg, sz = skynet.pack("a", 1)
    skynet.dispatch_message(skynet.PTYPE_LUA, msg, sz, 0, 77)
    skynet.sleep(1)
    equal(table.concat(got, " "), "0 77 a 1")
  end)

  test("an answer that nobody waits for goes to who asked for it", function()
    local peer, got = skynet.newservice "skynet/peer", nil
    local before = skynet.dispatch_unknown_response(function(session, source, msg, sz)
      got = { session, source, skynet.unpack(msg, sz) }
    end)
    local session = skynet.genid()
    skynet.redirect(peer, skynet.self(), "lua", session, skynet.pack("echo", "x", 2))
    skynet.sleep(1)
    equal(got[1], session)
    equal(got[2], peer)
    equal(got[3] .. got[4], "x2")
    equal(type(skynet.dispatch_unknown_response(before)), "function")
    equal(skynet.messages(), 0)
    skynet.kill(peer)
  end)

  test("a session may be any number, and its answer comes back under it", function()
    local core = require "skynet.core"
    local peer, got = skynet.newservice "skynet/peer", {}
    local before = skynet.dispatch_unknown_response(function(session, source, msg, sz)
      got[#got + 1] = ("%d %s %s"):format(session, source == peer, skynet.unpack(msg, sz))
    end)
    core.send(peer, skynet.PTYPE_LUA, 5, skynet.pack("echo", "first"))
    skynet.redirect(peer, skynet.self(), "lua", 16777215, skynet.pack("echo", "second"))
    core.send(peer, skynet.PTYPE_LUA, 16777217, skynet.pack("echo", "third"))
    skynet.redirect(peer, skynet.self(), "lua", 6, skynet.pack("ignore_then_answer", "fourth"))
    eventually(function()
      return #got == 4
    end)
    local all = "5 true first, 16777215 true second, 16777217 true third, 6 true fourth"
    equal(table.concat(got, ", "), all)
    -- A connection whose messages nobody answers is nothing that stays.
    for _ = 1, 3 do
      core.send(peer, skynet.PTYPE_LUA, 7, skynet.pack "ignore")
    end
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
    skynet.kill(peer)
    equal(#got, 4)
    skynet.dispatch_unknown_response(before)
  end)

  test("calls to a service can be called off", function()
    local peer, errors = skynet.newservice "skynet/peer", {}
    skynet.name(".hangs", peer)
    for _, address in ipairs { peer, skynet.address(peer), ".hangs" } do
      skynet.fork(function()
        local _, err = pcall(skynet.call, address, "lua", "hang")
        errors[#errors + 1] = err
      end)
    end
    skynet.sleep(1)
    skynet.term(skynet.self())
    skynet.yield()
    equal(#errors, 0)
    skynet.term(peer)
    skynet.sleep(1)
    equal(#errors, 3)
    match(errors[1], "nobody waits")
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
    skynet.kill(peer)
  end)

  test("an error without a session means that its source is lost", function()
    local peer = skynet.newservice "skynet/peer"
    skynet.timeout(1, function()
      skynet.redirect(skynet.self(), peer, "error", 0, "")
    end)
    refuses("nobody waits", skynet.call, peer, "lua", "hang")
    skynet.timeout(1, function()
      skynet.call(skynet.self(), "debug", "TERM", peer)
    end)
    refuses("nobody waits", skynet.call, peer, "lua", "hang")
    skynet.kill(peer)
  end)

  test("the messages of a protocol begin requests that are traced", function()
    local peer = skynet.newservice "skynet/peer"
    skynet.call(peer, "debug", "TRACELOG", true)
    match(skynet.call(peer, "lua", "tag"), "%x+%-%d+")
    skynet.call(peer, "debug", "TRACELOG", "lua", false)
    refuses("is not registered", skynet.traceproto, "nothing", true)
    local msg, sz = skynet.tracecall("tag", peer, "lua", skynet.pack("echo", 5))
    equal(skynet.unpack(msg, sz), 5)
    skynet.kill(peer)
  end)

  check.done()
  skynet.abort()
end)
