-- Calls between skynet services: answers, errors, and what the other side's end does to them.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

local function start_peer()
  return skynet.newservice "skynet/peer"
end

-- Runs `body` with a peer of its own.
local function with_peer(name, body)
  test(name, function()
    local peer = start_peer()
    body(peer)
    skynet.kill(peer)
  end)
end

skynet.start(function()
  with_peer("a call returns what the callee answered", function(peer)
    local values = table.pack(skynet.call(peer, "lua", "echo", 1, 2.5, nil, "x", { a = { 1, 2 } }))
    equal(values.n, 5)
    equal(values[1], 1)
    equal(math.type(values[2]), "float")
    equal(values[3], nil)
    equal(values[5].a[2], 2)
  end)

  with_peer("a call of the protocol by its number is the same", function(peer)
    equal(skynet.call(peer, skynet.PTYPE_LUA, "echo", "x"), "x")
  end)

  with_peer("an error of the callee arrives with message and traceback", function(peer)
    local err = refuses("boom", skynet.call, peer, "lua", "raise", "boom")
    equal(type(err), "string")
    match(err, "call failed")
    match(err, "stack traceback:.*peer%.lua")
    match(refuses("call failed", skynet.call, peer, "lua", "raise_table"), "table")
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
  end)

  with_peer("a forgotten answer is told at once", function(peer)
    refuses("no response", skynet.call, peer, "lua", "forget")
  end)

  with_peer("a request is answered once", function(peer)
    equal(skynet.call(peer, "lua", "answer_twice"), "first")
    local ok, err = skynet.call(peer, "lua", "second_answer")
    equal(ok, false)
    match(err, "No session")
    refuses("no session", skynet.response)
    refuses("No session", skynet.retpack)
  end)

  with_peer("a fork serves no request", function(peer)
    equal(skynet.call(peer, "lua", "from_fork"), "from the handler")
    skynet.sleep(1)
    local ok, err = skynet.call(peer, "lua", "second_answer")
    equal(ok, false)
    match(err, "skynet%.response")
  end)

  with_peer("a handler knows its request", function(peer)
    local session, source = skynet.call(peer, "lua", "who")
    equal(math.type(session), "integer")
    assert(session > 0)
    equal(source, skynet.self())
  end)

  with_peer("send returns the session 0 and needs no answer", function(peer)
    equal(skynet.send(peer, "lua", "count"), 0)
    equal(skynet.send(peer, "lua", "count"), 0)
    local counted, returned = skynet.call(peer, "lua", "counted")
    equal(counted, 2)
    equal(returned, false)
  end)

  with_peer("an answer may come later and from elsewhere", function(peer)
    local first, second = skynet.call(peer, "lua", "late", 1, "a", "b")
    equal(first .. second, "ab")
  end)

  with_peer("a response can refuse, with a reason", function(peer)
    refuses("not today", skynet.call, peer, "lua", "refuse", "not today")
    refuses("call failed", skynet.call, peer, "lua", "refuse")
  end)

  with_peer("a response tells whether somebody waits", function(peer)
    local result
    skynet.fork(function()
      result = skynet.call(peer, "lua", "keep")
    end)
    skynet.sleep(1)
    equal(skynet.call(peer, "lua", "test_kept"), true)
    equal(skynet.call(peer, "lua", "answer_kept", "here"), true)
    skynet.sleep(1)
    equal(result, "here")
    equal(skynet.call(peer, "lua", "test_kept"), false)
    refuses("more than once", skynet.call, peer, "lua", "answer_kept")
  end)

  with_peer("a response that is left open on purpose lasts until the service ends", function(peer)
    local ok, err
    skynet.fork(function()
      ok, err = pcall(skynet.call, peer, "lua", "watch")
    end)
    skynet.sleep(1)
    skynet.call(peer, "lua", "collect")
    skynet.sleep(1)
    equal(ok, nil)
    skynet.send(peer, "lua", "exit")
    eventually(function()
      return ok ~= nil
    end)
    equal(ok, false)
    match(err, "exited")
  end)

  with_peer("a response may be given though it was called off", function(peer)
    local answer
    skynet.fork(function()
      answer = skynet.call(peer, "lua", "ignore_and_keep")
    end)
    skynet.sleep(1)
    assert(skynet.call(peer, "lua", "answer_kept", 5))
    skynet.sleep(1)
    equal(answer, 5)
  end)

  with_peer("a dropped response tells the caller", function(peer)
    local err
    skynet.fork(function()
      err = select(2, pcall(skynet.call, peer, "lua", "keep"))
    end)
    skynet.sleep(1)
    skynet.call(peer, "lua", "drop_kept")
    skynet.sleep(1)
    match(err, "never called")
  end)

  with_peer("a response to a caller that has ended does nothing", function(peer)
    local helper = skynet.newservice("skynet/caller", peer, "keep")
    skynet.sleep(1)
    equal(skynet.call(peer, "lua", "test_kept"), true)
    skynet.kill(helper)
    equal(skynet.call(peer, "lua", "test_kept"), false)
    equal(skynet.call(peer, "lua", "answer_kept", 1), false)
  end)

  test("callers of a service that exits are told", function()
    local peer = start_peer()
    local errors = {}
    for _ = 1, 3 do
      skynet.fork(function()
        local _, err = pcall(skynet.call, peer, "lua", "hang")
        errors[#errors + 1] = err
      end)
    end
    skynet.sleep(1)
    refuses("exited", skynet.call, peer, "lua", "exit")
    skynet.sleep(1)
    equal(#errors, 3)
    for _, err in ipairs(errors) do
      match(err, "has ended")
    end
  end)

  test("callers of a service that is killed are told", function()
    local peer = start_peer()
    skynet.timeout(1, function()
      skynet.kill(peer)
    end)
    refuses("was killed", skynet.call, peer, "lua", "hang")
  end)

  test("a dead or unknown address is an error of call and nil of send", function()
    local peer = start_peer()
    skynet.kill(peer)
    local pattern = "call to invalid address " .. skynet.address(peer)
    refuses(pattern, skynet.call, peer, "lua", "echo")
    equal(skynet.send(peer, "lua", "count"), nil)
    refuses("call to invalid address %.nobody", skynet.call, ".nobody", "lua", "echo")
    equal(skynet.send(".nobody", "lua", "count"), nil)
    refuses("call to invalid address :00ffffff", skynet.call, 0xffffff, "lua", "echo")
    refuses("Invalid service address 0", skynet.send, 0, "lua", "count")
    refuses("Invalid service address 0", skynet.call, 0, "lua", "echo")
    refuses("Invalid service address 0", skynet.redirect, 0, skynet.self(), "lua", 0, "")
    equal(skynet.kill(0), nil)
  end)

  with_peer("a request can be passed on in the caller's name", function(peer)
    local other = start_peer()
    local session, source = skynet.call(peer, "lua", "pass_on", other, "who")
    equal(source, skynet.self())
    assert(session > 0)
    refuses("boom", skynet.call, peer, "lua", "pass_on", other, "raise", "boom")
    skynet.kill(other)
  end)

  with_peer("a request that was ignored can be answered by hand", function(peer)
    equal(skynet.call(peer, "lua", "ignore_then_answer", "by hand"), "by hand")
  end)

  test("a request that was ignored ends with its service", function()
    local peer = start_peer()
    local err
    skynet.fork(function()
      err = select(2, pcall(skynet.call, peer, "lua", "ignore"))
    end)
    skynet.sleep(1)
    equal(err, nil)
    skynet.kill(peer)
    skynet.sleep(1)
    match(err, "was killed")
  end)

  with_peer("a call can have a deadline", function(peer)
    local timeout = require("hive").timeout
    refuses("deadline", timeout, 0.02, skynet.call, peer, "lua", "hang")
    equal(timeout(10, skynet.call, peer, "lua", "echo", 1), 1)
  end)

  with_peer("what cannot be sent is refused with its place", function(peer)
    refuses("args%[2%]%.f: cannot send a function", skynet.call, peer, "lua", "echo", { f = print })
    local co = coroutine.create(print)
    refuses("cannot send a thread", skynet.send, peer, "lua", co)
    refuses("Unsupport type thread to serialize", skynet.send, peer, "lua", co)
    refuses("Unsupport type function to serialize", skynet.packstring, { [print] = 1 })
    local deep = {}
    deep.deep = deep
    refuses("serialize can't pack too depth table", skynet.pack, deep)
  end)

  with_peer("an unknown protocol is refused by name", function(peer)
    refuses('the protocol "nope" is not registered', skynet.call, peer, "nope", 1)
    refuses("address expected", skynet.call, nil, "lua")
    refuses("address expected", skynet.send, {}, "lua")
  end)

  check.done()
  skynet.abort()
end)
