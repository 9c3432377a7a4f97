-- Message pointers, protocols, and raw messages.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  pack = function(...)
    return table.concat({ ... }, ",")
  end,
  unpack = skynet.tostring,
}

local opened = {}
skynet.register_protocol {
  name = "client",
  id = skynet.PTYPE_CLIENT,
  pack = skynet.pack,
  unpack = function(msg, sz)
    opened[#opened + 1] = sz
    return skynet.unpack(msg, sz)
  end,
}

skynet.register_protocol { name = "raw", id = 200 }

skynet.start(function()
  test("a flood waits for a service that is busy", function()
    local busy = skynet.newservice "skynet.peer"
    skynet.send(busy, "lua", "compute", 0.3)
    for _ = 1, 100000 do
      skynet.send(busy, "lua", "tick")
    end
    equal(skynet.call(busy, "lua", "tell_ticks"), 100000)
    skynet.kill(busy)
  end)

  test("packed values come back as they were", function()
    local msg, sz = skynet.pack(nil, true, 1, 0.5, "text", { 1, { 2 } })
    equal(type(msg), "userdata")
    equal(math.type(sz), "integer")
    local values = table.pack(skynet.unpack(msg, sz))
    equal(values.n, 6)
    equal(values[2], true)
    equal(values[6][2][1], 2)
    skynet.trash(msg, sz)
  end)

  test("a packed string is unpacked as well", function()
    local text = skynet.packstring("a", { b = 1 })
    local a, t = skynet.unpack(text)
    equal(a, "a")
    equal(t.b, 1)
    refuses("cannot unpack the message.*Invalid serialize stream", skynet.unpack, "\255garbage")
    equal(select("#", skynet.unpack(skynet.packstring())), 0)
  end)

  test("pack honours __pairs", function()
    local proxy = setmetatable({}, {
      __pairs = function()
        return next, { real = "content" }, nil
      end,
    })
    equal(skynet.unpack(skynet.packstring(proxy)).real, "content")
  end)

  test("tables that nest too deep or contain themselves are refused", function()
    local cycle = {}
    cycle.self = cycle
    refuses("contains itself", skynet.packstring, cycle)
    local deep = {}
    for _ = 1, 32 do
      deep = { deep }
    end
    local inner = skynet.unpack(skynet.packstring(deep))
    for _ = 1, 32 do
      inner = inner[1]
    end
    equal(next(inner), nil)
    refuses("33", skynet.packstring, { deep })
  end)

  test("a pointer can be used once, and a wrong one is an error", function()
    local alive = skynet.messages()
    local msg, sz = skynet.pack(1)
    equal(skynet.messages(), alive + 1)
    refuses("bytes", skynet.unpack, msg, sz + 1)
    skynet.trash(msg, sz)
    equal(skynet.messages(), alive)
    refuses("leads nowhere", skynet.trash, msg, sz)
    refuses("leads nowhere", skynet.tostring, msg, sz)
    refuses("leads nowhere", skynet.rawsend, skynet.self(), "lua", msg, sz)
    refuses("message or string expected", skynet.unpack, {})
    refuses("message or string expected", skynet.trash)
    equal(select("#", skynet.tostring(nil)), 0)
    refuses("cannot unpack the message", skynet.unpack, "\xff\xff\xff")
  end)

  test("sending uses the pointer up, also to nobody", function()
    local alive = skynet.messages()
    for _ = 1, 100 do
      skynet.rawsend(".nobody", "lua", skynet.pack(1, 2, 3))
      skynet.redirect(".nobody", 0, "lua", 0, skynet.pack(1, 2, 3))
      skynet.rawsend(skynet.self(), "raw", skynet.pack(1))
    end
    equal(skynet.messages(), alive)
  end)

  test("a raw call hands the answer over as it is, until the task waits", function()
    local peer = skynet.newservice "skynet/peer"
    local alive = skynet.messages()
    local msg, sz = skynet.rawcall(peer, "lua", skynet.pack("echo", "x", 1))
    local x, one = skynet.unpack(msg, sz)
    equal(x .. one, "x1")
    skynet.sleep(0)
    equal(skynet.messages(), alive)
    refuses("leads nowhere", skynet.unpack, msg, sz)
    equal(skynet.unpack(skynet.rawcall(peer, "lua", skynet.packstring("echo", "y"))), "y")
    refuses("boom", skynet.rawcall, peer, "lua", skynet.pack("raise", "boom"))
    equal(skynet.call(peer, "lua", "messages"), 0)
    skynet.kill(peer)
  end)

  test("a protocol packs and unpacks as it was registered", function()
    local received = {}
    skynet.dispatch("text", function(session, source, text)
      received[#received + 1] = { session, source, text }
      if session ~= 0 then
        skynet.ret(text:upper())
      end
    end)
    skynet.send(skynet.self(), "text", "a", "b")
    equal(skynet.call(skynet.self(), "text", "c", "d"), "C,D")
    equal(received[1][1], 0)
    equal(received[1][2], skynet.self())
    equal(received[1][3], "a,b")
  end)

  test("a protocol with its own unpack runs it for requests and answers", function()
    skynet.dispatch("client", function(_, _, a, b)
      skynet.retpack(b, a)
    end)
    local b, a = skynet.call(skynet.self(), "client", 1, 2)
    equal(b, 2)
    equal(a, 1)
    equal(#opened, 2)
  end)

  test("a protocol without unpack gets pointer and size", function()
    local size
    skynet.dispatch("raw", function(_, _, msg, sz)
      size = sz
      skynet.ret(skynet.tostring(msg, sz))
    end)
    equal(skynet.tostring(skynet.rawcall(skynet.self(), "raw", "four")), "four")
    equal(size, 4)
    refuses("without `pack`", skynet.send, skynet.self(), "raw", 1)
  end)

  test("what has to send a message is refused none", function()
    local own = skynet.self()
    skynet.register_protocol { name = "packs none", id = 203, pack = function() end }
    refuses('`pack` .* "packs none" returned no message', skynet.send, own, "packs none")
    refuses("`pack` of the protocol", skynet.call, own, "packs none", 1)
    refuses("message or string expected, got no value", skynet.rawsend, own, "raw")
    refuses("message or string expected, got nil", skynet.rawcall, own, "raw", nil)
    refuses("message or string expected", skynet.redirect, own, own, "raw", 0)
    equal(skynet.rawsend(own, "raw", ""), 0)
  end)

  test("dispatch tells and replaces the handler", function()
    local function first() end
    local before = skynet.dispatch("raw", first)
    equal(type(before), "function")
    equal(skynet.dispatch "raw", first)
    equal(skynet.dispatch("raw", before), first)
    equal(skynet.dispatch "nothing", nil)
    refuses("is not registered", skynet.dispatch, "nothing", first)
  end)

  test("protocols have one name and one number", function()
    refuses("registered already", skynet.register_protocol, { name = "text", id = 99 })
    refuses("registered already", skynet.register_protocol, { name = "other", id = 10 })
    refuses("registered already", skynet.register_protocol, { name = "response", id = 99 })
    refuses("registered already", skynet.register_protocol, { name = "other", id = 7 })
    refuses("0 to 255", skynet.register_protocol, { name = "other", id = 256 })
    refuses("name", skynet.register_protocol, { id = 99 })
  end)

  test("a message in the name of somebody else arrives as it was addressed", function()
    local seen
    skynet.dispatch("client", function(session, source, ...)
      seen = table.pack(session, source, ...)
      skynet.ignoreret()
    end)
    skynet.redirect(skynet.self(), 0xabcdef, "client", 77, skynet.pack("hello"))
    skynet.sleep(1)
    equal(seen[1], 77)
    equal(seen[2], 0xabcdef)
    equal(seen[3], "hello")
  end)

  test("a proxy passes messages on without unpacking them", function()
    local peer = skynet.newservice "skynet/peer"
    local proxy = skynet.newservice("skynet/proxy", peer)
    local text, list = skynet.call(proxy, "lua", "echo", "x", { 1, { 2 } })
    equal(text, "x")
    equal(list[2][1], 2)
    skynet.send(proxy, "lua", "count")
    refuses("boom", skynet.call, proxy, "lua", "raise", "boom")
    equal(skynet.call(proxy, "lua", "counted"), 1)
    skynet.kill(peer)
    refuses("call failed.*call to invalid address", skynet.call, proxy, "lua", "echo")
    skynet.kill(proxy)
  end)

  test("what nobody handles is refused, or given to who asked for it", function()
    local peer = skynet.newservice "skynet/peer"
    match(refuses("call failed", skynet.rawcall, peer, "raw", "x"), "no protocol")
    skynet.kill(peer)
    local seen = {}
    local before = skynet.dispatch_unknown_request(function(session, source, msg, sz, protocol)
      equal(session, 0)
      equal(source, skynet.self())
      seen[#seen + 1] = skynet.tostring(msg, sz) .. protocol
    end)
    skynet.register_protocol { name = "unheard", id = 201, unpack = skynet.tostring }
    skynet.rawsend(skynet.self(), "unheard", "x")
    skynet.redirect(skynet.self(), skynet.self(), 202, 0, "of no protocol")
    -- A request is refused all the same, so that its caller learns of it.
    refuses("does not handle", skynet.rawcall, skynet.self(), "unheard", "y")
    equal(table.concat(seen, " "), "xunheard of no protocol202")
    skynet.dispatch_unknown_request(before)
  end)

  test("a request that was answered has no session, but a source", function()
    local session, source, count
    local before = skynet.dispatch("lua", function()
      skynet.retpack()
      session, source = skynet.context()
      skynet.fork(function()
        count = select("#", skynet.context())
      end)
    end)
    skynet.call(skynet.self(), "lua")
    skynet.yield()
    equal(session, nil)
    equal(source, skynet.self())
    equal(count, 2)
    if before then
      skynet.dispatch("lua", before)
    end
  end)

  test("a protocol may be given its handler through the table that described it", function()
    local described = { name = "late", id = 77, pack = skynet.pack, unpack = skynet.unpack }
    skynet.register_protocol(described)
    equal(skynet.dispatch "late", nil)
    refuses("does not handle", skynet.call, skynet.self(), "late", 1)
    function described.dispatch(_, _, ...)
      skynet.retpack("handled", ...)
    end
    equal(skynet.dispatch "late", described.dispatch)
    equal(select(2, skynet.call(skynet.self(), "late", 1)), 1)
    local before = skynet.dispatch("late", function()
      skynet.retpack "replaced"
    end)
    equal(before, described.dispatch)
    equal(skynet.call(skynet.self(), "late"), "replaced")
  end)

  test("a gate takes frames in their order, also when it waits while it handles one", function()
    local netpack = require "skynet.netpack"
    local seen, queue = {}, nil
    local event = {}
    function event.data(connection, msg, sz)
      local text = netpack.tostring(msg, sz)
      if text == "wait" then
        skynet.sleep(1)
      end
      seen[#seen + 1] = connection .. text
    end
    function event.more()
      for connection, msg, sz in netpack.pop, queue do
        skynet.fork(event.more)
        event.data(connection, msg, sz)
      end
    end
    function event.close(connection)
      seen[#seen + 1] = "closed " .. connection
    end
    skynet.register_protocol {
      name = "socket",
      id = skynet.PTYPE_SOCKET,
      unpack = function(msg, sz)
        return netpack.filter(queue, msg, sz)
      end,
      dispatch = function(_, _, frames, name, ...)
        queue = frames
        if name then
          event[name](...)
        end
      end,
    }
    local function receive(...)
      skynet.redirect(skynet.self(), 0, "socket", 0, skynet.pack(...))
    end
    local function frame(text)
      return netpack.tostring(netpack.pack(text))
    end
    local split = frame "split"
    for i = 1, #split - 1 do
      receive("data", 1, split:sub(i, i))
    end
    receive("data", 2, frame "wait" .. frame "" .. frame "b")
    receive("data", 1, split:sub(-1) .. frame "c")
    receive("data", 3, frame "lost":sub(1, 3))
    receive("close", 3)
    receive("data", 3, frame "new")
    skynet.sleep(3)
    equal(table.concat(seen, " "), "2 2b 1split 1c closed 3 3new 2wait")
    equal(netpack.pop(queue), nil)
  end)

  check.done()
  skynet.abort()
end)
