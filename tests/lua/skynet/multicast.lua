-- Multicast: channels on which one service tells many.

local check = require "check"
local eventually = require "skynet.eventually"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

-- A channel that notes what it hears.
local function listening(number)
  local heard = {}
  local channel = multicast.new {
    channel = number,
    dispatch = function(channel, source, ...)
      heard[#heard + 1] = table.concat({ channel.channel, source, ... }, " ")
    end,
  }
  channel:subscribe()
  return channel, heard
end

local function heard_by(asker)
  return skynet.call(asker, "lua", "heard")
end

skynet.start(function()
  test("a channel is made with an integer for its number or not at all", function()
    for _, wrong in ipairs { "x", "8", 1.5, {}, true, print } do
      local err = refuses("its field `channel` is an integer", multicast.new, { channel = wrong })
      match(err, "got " .. (math.type(wrong) or type(wrong)))
    end
    local channel = multicast.new {}
    equal(multicast.new({ channel = channel.channel }).channel, channel.channel)
    equal(multicast.new({ channel = channel.channel + 0.0 }).channel, channel.channel)
    equal(tostring(channel), ("[Multicast:%x]"):format(channel.channel))
    channel:delete()
  end)

  test("what is published reaches every subscriber, in order", function()
    local channel, heard = listening()
    local askers = {}
    for i = 1, 3 do
      askers[i] = skynet.newservice "skynet/asker"
      skynet.call(askers[i], "lua", "subscribe", channel.channel)
    end
    for i = 1, 20 do
      channel:publish("message", i)
    end
    eventually(function()
      return #heard == 20
    end)
    for i, text in ipairs(heard) do
      equal(text, ("%d %d message %d"):format(channel.channel, skynet.self(), i))
    end
    for _, asker in ipairs(askers) do
      equal(select("#", heard_by(asker)), 20)
      skynet.kill(asker)
    end
    channel:delete()
  end)

  test("who publishes and is subscribed has heard it by then", function()
    local channel, heard = listening()
    for i = 1, 3 do
      equal(select("#", channel:publish(i)), 0)
      equal(#heard, i)
    end
    local other = multicast.new { channel = channel.channel }
    other:publish "by another object"
    equal(#heard, 4)
    channel:unsubscribe()
    channel:publish "not heard"
    skynet.yield()
    equal(#heard, 4)
    channel:delete()
  end)

  test("who publishes need not be subscribed", function()
    local asker = skynet.newservice "skynet/asker"
    local channel = multicast.new()
    skynet.call(asker, "lua", "subscribe", channel.channel)
    multicast.new({ channel = channel.channel }):publish "hello"
    equal(heard_by(asker), skynet.self() .. " hello")
    skynet.kill(asker)
  end)

  test("an object that is not subscribed any more hears nothing", function()
    local channel, heard = listening()
    channel:subscribe()
    channel:publish "before"
    channel:unsubscribe()
    channel:unsubscribe()
    channel:publish "after"
    skynet.sleep(1)
    equal(#heard, 1)
    match(heard[1], "before")
    channel:subscribe()
    channel:publish "again"
    equal(#heard, 2)
    match(heard[2], "again")
    channel:delete()
  end)

  test("a deleted channel has no subscribers", function()
    local channel, heard = listening()
    local number = channel.channel
    channel:delete()
    equal(channel.channel, nil)
    multicast.new({ channel = number }):publish "unheard"
    skynet.sleep(1)
    equal(#heard, 0)
    refuses("deleted", channel.publish, channel)
    refuses("deleted", channel.subscribe, channel)
    channel:unsubscribe()
    match(tostring(channel), "Multicast")
  end)

  test("subscribers that end are none any more", function()
    local core = require "skynet.multicast.core"
    local number = core.new()
    for _ = 1, 10 do
      local asker = skynet.newservice "skynet/asker"
      skynet.call(asker, "lua", "subscribe", number)
      equal(core.publish(number, "x"), 1)
      skynet.kill(asker)
      eventually(function()
        return core.publish(number, "x") == 0
      end)
    end
  end)

  test("subscribers that come and go do not disturb those who stay", function()
    local channel, heard = listening()
    local stays = skynet.newservice "skynet/asker"
    skynet.call(stays, "lua", "subscribe", channel.channel)
    local left, done = 4, {}
    for _ = 1, left do
      skynet.fork(function()
        for _ = 1, 10 do
          local asker = skynet.newservice "skynet/asker"
          skynet.call(asker, "lua", "subscribe", channel.channel)
          channel:publish "round"
          skynet.kill(asker)
          channel:publish "round"
        end
        left = left - 1
        if left == 0 then
          skynet.wakeup(done)
        end
      end)
    end
    skynet.wait(done)
    eventually(function()
      return #heard == 80
    end)
    equal(select("#", heard_by(stays)), 80)
    skynet.kill(stays)
    channel:unsubscribe()
    eventually(function()
      return require("skynet.multicast.core").publish(channel.channel, "") == 0
    end)
    channel:delete()
  end)

  test("the values may be packed in another way", function()
    local texts = {}
    local channel = multicast.new {
      pack = function(text)
        return "<" .. text .. ">"
      end,
      unpack = skynet.tostring,
      dispatch = function(_, _, text)
        texts[#texts + 1] = text
      end,
    }
    channel:subscribe()
    channel:publish "hello"
    eventually(function()
      return texts[1] == "<hello>"
    end)
    channel:delete()
  end)

  test("a message that many hear is kept once", function()
    local alive = skynet.messages()
    local channel, heard = listening()
    for _ = 1, 50 do
      channel:publish(("x"):rep(1000))
    end
    eventually(function()
      return #heard == 50
    end)
    skynet.sleep(1)
    equal(skynet.messages(), alive)
    channel:delete()
  end)

  test("publishing is nobody's call: a waiting publisher is not woken by it", function()
    local channel, heard = listening()
    local peer = skynet.newservice "skynet/peer"
    skynet.fork(function()
      channel:publish "meanwhile"
    end)
    equal(skynet.call(peer, "lua", "echo", 1), 1)
    eventually(function()
      return #heard == 1
    end)
    skynet.kill(peer)
    channel:delete()
  end)

  test("a channel without `dispatch` can be subscribed to, and does not stop others", function()
    local silent = multicast.new()
    local channel, heard = listening()
    silent:subscribe()
    silent:publish "for nobody"
    channel:publish "behind it"
    equal(#heard, 1)
    silent:unsubscribe()
    silent:delete()
    channel:delete()
  end)

  test("what cannot be is refused", function()
    local unknown = multicast.new { channel = 999999 }
    refuses("there is no channel 999999", unknown.publish, unknown, 1)
    local silent = multicast.new()
    refuses("cannot send a function", silent.publish, silent, print)
  end)

  check.done()
  skynet.abort()
end)
