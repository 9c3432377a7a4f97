-- `skynet.request`: when the requests are sent, how they end, and what calls them off.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

-- A test with a peer of its own.
local function with_peer(name, body)
  test(name, function()
    local peer = skynet.newservice "skynet/peer"
    body(peer)
    skynet.kill(peer)
  end)
end

-- What a request of this service was answered with, once the selection is over.
local function only(requests)
  local _, response = requests:select()()
  return response
end

skynet.register_protocol {
  name = "letters",
  id = 71,
  pack = function(text)
    return text:upper()
  end,
  unpack = function(msg, sz)
    return skynet.tostring(msg, sz), sz
  end,
}

skynet.register_protocol { name = "text", id = 0, pack = tostring, unpack = skynet.tostring }

skynet.start(function()
  test("requests are sent where they are selected, before what comes behind", function()
    local order = {}
    skynet.dispatch("lua", function(session, _, what)
      order[#order + 1] = what
      if session ~= 0 then
        skynet.retpack(what)
      end
    end)
    local requests = skynet.request { skynet.self(), "lua", "first" }
    local next_ended, _, _, closing = requests:add({ skynet.self(), "lua", "second" }):select()
    skynet.send(skynet.self(), "lua", "third")
    equal(#order, 0)
    local ended = {}
    for _, response in next_ended, nil, nil, closing do
      ended[#ended + 1] = response[1]
    end
    equal(table.concat(ended, " "), "first second")
    eventually(function()
      return #order == 3
    end)
    equal(table.concat(order, " "), "first second third")
  end)

  with_peer("what cannot be packed is an error of the selection", function(peer)
    local requests = skynet.request { peer, "lua", "hang" }
    requests:add({ peer, "lua", print }):add { peer, "lua", "count" }
    refuses("function", requests.select, requests)
    refuses('requests%.lua:%d+: the protocol "nonsense" is not registered', function()
      skynet.request({ peer, "nonsense", 1 }):select()
    end)
    refuses("requests%.lua:%d+: a request is a table", function()
      skynet.request({}):select()
    end)
    refuses("requests are made once", requests.select, requests)
    equal(skynet.call(peer, "lua", "counted"), 0)
  end)

  with_peer("a request that failed gives false, one that could not be sent nil", function(peer)
    local gone = skynet.newservice "skynet/peer"
    skynet.kill(gone)
    local requests = skynet.request()
    requests:add { peer, "lua", "raise", "boom" }
    requests:add { gone, "lua", "echo" }
    requests:add { ".nobody_here", "lua", "echo" }
    requests:add { peer, "lua", "echo", nil, n = 4 }
    local ended = {}
    for request, response in requests:select() do
      ended[#ended + 1] = { request, response }
    end
    equal(#ended, 4)
    equal(ended[1][1], requests[2])
    equal(ended[2][1], requests[3])
    equal(ended[1][2], nil)
    equal(ended[2][2], nil)
    match(requests[2].error, "call to invalid address")
    match(requests[3].error, "nobody_here")
    equal(ended[3][1], requests[1])
    equal(ended[3][2], false)
    match(requests[1].error, "call failed: .*boom")
    equal(ended[4][2].n, 1)
  end)

  with_peer("a selection can be closed by hand, and more than once", function(peer)
    local requests = skynet.request({ peer, "lua", "hang" }, { peer, "lua", "hang" })
    requests:close()
    local next_ended = requests:select()
    local is_over = false
    skynet.fork(function()
      equal(next_ended(), nil)
      is_over = true
    end)
    skynet.yield()
    requests:close()
    requests:close()
    eventually(function()
      return is_over
    end)
    equal(requests.timeout, nil)
    equal(next_ended(), nil)
  end)

  with_peer("what has come before a selection was closed is there after it", function(peer)
    local requests = skynet.request({ peer, "lua", "echo", 1 }, { peer, "lua", "hang" })
    local next_ended = requests:select()
    equal(select(2, next_ended())[1], 1)
    requests:close()
    equal(next_ended(), nil)
  end)

  test("a request of any protocol is answered by its reader", function()
    skynet.dispatch("letters", function(_, _, text)
      skynet.ret(text .. "!")
    end)
    skynet.dispatch("text", function(_, _, text)
      skynet.ret(text .. "?")
    end)
    local response = only(skynet.request { skynet.self(), "letters", "abc" })
    equal(response[1], "ABC!")
    equal(response[2], 4)
    equal(only(skynet.request { skynet.self(), "text", 12 })[1], "12?")
    skynet.dispatch("letters", function()
      error "spoilt"
    end)
    local requests = skynet.request { skynet.self(), "letters", "abc" }
    equal(only(requests), false)
    match(requests[1].error, "spoilt")
  end)

  with_peer("requests to a service can be called off as calls can", function(peer)
    local requests = skynet.request({ peer, "lua", "hang" }, { peer, "lua", "hang" })
    local next_ended = requests:select()
    skynet.term(peer)
    for i = 1, 2 do
      local request, response = next_ended()
      equal(response, false)
      match(request.error, "nobody waits for")
      assert(request == requests[i] or request == requests[3 - i])
    end
    equal(next_ended(), nil)
  end)
  check.done()
  skynet.abort()
end)
