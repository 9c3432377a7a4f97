-- Data that services share by name: datacenter, multicast, sharedata.

local check = require "check"
local datacenter = require "skynet.datacenter"
local multicast = require "skynet.multicast"
local sharedata = require "skynet.sharedata"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

-- Waits until `condition` holds.
local function eventually(condition)
  for _ = 1, 300 do
    if condition() then
      return
    end
    skynet.sleep(1)
  end
  error("it never happened", 2)
end

skynet.start(function()
  test("the data center keeps values by their keys", function()
    equal(datacenter.get "nothing", nil)
    equal(datacenter.set("key", 1), nil)
    equal(datacenter.set("key", 2), 1)
    equal(datacenter.get "key", 2)
    datacenter.set("a", "b", "c", "leaf")
    equal(datacenter.get("a", "b", "c"), "leaf")
    equal(datacenter.get("a", "b").c, "leaf")
    equal(datacenter.get("a", "x", "c"), nil)
    refuses("in the way", datacenter.set, "key", "inner", 1)
    refuses("has a key", datacenter.set, 1)
  end)

  test("a wait for a value of the data center ends when it is set", function()
    local found
    skynet.fork(function()
      found = datacenter.wait("late", "value")
    end)
    skynet.sleep(1)
    equal(found, nil)
    datacenter.set("late", "value", 7)
    eventually(function()
      return found == 7
    end)
    equal(datacenter.wait("late", "value"), 7)
  end)

  test("what is published reaches every subscriber", function()
    local received = {}
    local channel = multicast.new {
      dispatch = function(from, source, ...)
        received[#received + 1] = table.concat({ from.channel, source, ... }, " ")
      end,
    }
    local listener = skynet.newservice("skynet/listener", channel.channel)
    channel:subscribe()
    channel:publish("hello", 1)
    local expected = ("%d %d hello 1"):format(channel.channel, skynet.self())
    eventually(function()
      return received[1] == expected
    end)
    eventually(function()
      return skynet.call(listener, "lua") == expected
    end)
    channel:unsubscribe()
    channel:publish "unheard"
    eventually(function()
      return skynet.call(listener, "lua"):find "unheard"
    end)
    equal(#received, 1)
    skynet.kill(listener)
    channel:publish "to nobody"
    channel:delete()
    refuses("deleted", channel.publish, channel)
    match(tostring(channel), "Multicast")
    refuses(
      "no channel",
      multicast.new({ channel = 9999 }).publish,
      multicast.new { channel = 9999 }
    )
  end)

  test("shared data is seen by name, as a read-only table", function()
    sharedata.new("one", { a = 1, list = { 10, 20, { deep = true } } })
    local one = sharedata.query "one"
    equal(one, sharedata.query "one")
    equal(one.a, 1)
    equal(#one.list, 3)
    equal(one.list[3].deep, true)
    local sum = 0
    for _, value in ipairs(one.list) do
      sum = sum + (tonumber(value) or 0)
    end
    equal(sum, 30)
    local keys = {}
    for key in pairs(one) do
      keys[#keys + 1] = key
    end
    table.sort(keys)
    equal(table.concat(keys, " "), "a list")
    refuses("cannot be written", function()
      one.list[1] = 2
    end)
    refuses("already", sharedata.new, "one", {})
    refuses("no shared data two", sharedata.query, "two")
  end)

  test("an update reaches who holds the data", function()
    local one = sharedata.query "one"
    local list = one.list
    local reader = skynet.newservice("skynet/reader", "one")
    equal(skynet.call(reader, "lua"), 10)
    sharedata.update("one", { a = 2, list = { 11 } })
    eventually(function()
      return one.a == 2
    end)
    equal(list[1], 11)
    equal(#list, 1)
    eventually(function()
      return skynet.call(reader, "lua") == 11
    end)
    sharedata.update("one", { a = 3 })
    eventually(function()
      return one.a == 3
    end)
    refuses("no table list any more", function()
      return list[1]
    end)
    skynet.kill(reader)
  end)

  test("shared data can be copied and deleted", function()
    sharedata.new("copied", { inner = { x = 1 } })
    local copy = sharedata.deepcopy("copied", "inner")
    copy.x = 2
    equal(sharedata.query("copied").inner.x, 1)
    local held = sharedata.query "copied"
    sharedata.delete "copied"
    refuses("no shared data copied", sharedata.deepcopy, "copied")
    eventually(function()
      return not pcall(sharedata.query, "copied")
    end)
    equal(held.inner.x, 1)
    sharedata.flush()
  end)

  test("shared data can be made by code", function()
    sharedata.new("code", "return { n = ... }", 5)
    equal(sharedata.query("code").n, 5)
    sharedata.new("globals", "x, y = 1, { 2 }")
    equal(sharedata.query("globals").y[1], 2)
  end)

  check.done()
  skynet.abort()
end)
