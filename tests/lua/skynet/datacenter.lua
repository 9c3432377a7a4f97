-- The data center: a tree of values that services set, get and wait for.

local check = require "check"
local datacenter = require "skynet.datacenter"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, refuses, test = check.equal, check.refuses, check.test

-- Begins a wait; gives a function that tells how it ended.
local function waiting(...)
  local outcome
  skynet.fork(function(...)
    outcome = table.pack(pcall(datacenter.wait, ...))
  end, ...)
  skynet.sleep(1)
  equal(outcome, nil)
  return function()
    eventually(function()
      return outcome
    end)
    return outcome[1], outcome[2]
  end
end

local function count(...)
  return select("#", ...)
end

local function how_many_wait()
  return skynet.call("DATACENTER", "debug", "INFO").waiting
end

skynet.start(function()
  test("values are kept by their keys, and set returns the one before", function()
    equal(count(datacenter.get "nothing"), 0)
    equal(count(datacenter.get("nothing", "inside")), 0)
    equal(count(datacenter.set("key", 1)), 0)
    equal(datacenter.set("key", 2), 1)
    equal(datacenter.get "key", 2)
    datacenter.set("a", "b", "c", "leaf")
    equal(datacenter.get("a", "b", "c"), "leaf")
    equal(datacenter.get("a", "b").c, "leaf")
    equal(count(datacenter.get("a", "x", "c")), 1)
    equal(datacenter.get("a", "x", "c"), nil)
    equal(datacenter.get("a", "b", nil, "d").c, "leaf")
    equal(count(datacenter.get()), 0)
    equal(datacenter.set("a", "b", "c", nil), "leaf")
    equal(datacenter.get("a", "b", "c"), nil)
    datacenter.set(1, true, { list = { 1, 2 } })
    equal(datacenter.get(1, true, "list", 2), 2)
    equal(count(datacenter.set("unset", nil)), 1)
    equal(datacenter.set "key", 2)
    equal(count(datacenter.get "key"), 0)
    datacenter.set("off", false)
    equal(datacenter.get "off", false)
  end)

  test("what is got is a copy", function()
    datacenter.set("copy", { n = 1 })
    datacenter.get("copy").n = 2
    equal(datacenter.get("copy", "n"), 1)
  end)

  test("places that cannot be are refused", function()
    datacenter.set("scalar", 1)
    refuses("holds a number at scalar", datacenter.set, "scalar", "inner", 1)
    refuses("holds a number at scalar", datacenter.get, "scalar", "inner")
    refuses("a key in the data center is nil", datacenter.set)
    refuses("a key in the data center is nil", datacenter.set, "a", nil, 1)
    refuses("at least one key", datacenter.wait)
    refuses("no command NOTHING", skynet.call, "DATACENTER", "lua", "NOTHING")
  end)

  test("a wait ends when its place has a value", function()
    local first, second = waiting("late", "value"), waiting("late", "value")
    datacenter.set("late", "other", 1)
    datacenter.set("late", "value", nil)
    equal(how_many_wait(), 2)
    datacenter.set("late", "value", 7)
    equal(select(2, first()), 7)
    equal(select(2, second()), 7)
    equal(how_many_wait(), 0)
    equal(datacenter.wait("late", "value"), 7)
  end)

  test("a wait ends as well when a table brings its value", function()
    local inner = waiting("whole", "part", "x")
    local never = waiting("whole", "part", "y")
    datacenter.set("whole", "part", { x = false, z = 2 })
    local ok, value = inner()
    equal(ok, true)
    equal(value, false)
    equal(how_many_wait(), 1)
    datacenter.set("whole", "part", "y", 3)
    equal(select(2, never()), 3)
  end)

  test("a wait for a place that becomes a branch fails", function()
    local outcome = waiting "branch"
    datacenter.set("branch", "leaf", 1)
    local ok, err = outcome()
    equal(ok, false)
    check.match(err, "a branch of the data center")
    equal(how_many_wait(), 0)
  end)

  test("a place is waited for as a value or as a branch, not as both", function()
    local inner, outer = waiting("either", "inner"), waiting "or"
    refuses("somebody waits for a value", datacenter.wait, "either")
    refuses("somebody waits for a value", datacenter.wait, "or", "inner")
    equal(how_many_wait(), 2)
    datacenter.set("either", "inner", 1)
    datacenter.set("or", 2)
    equal(select(2, inner()), 1)
    equal(select(2, outer()), 2)
    local asker = skynet.newservice "skynet/asker"
    skynet.fork(pcall, skynet.call, asker, "lua", "wait", "left", "inner")
    eventually(function()
      return how_many_wait() == 1
    end)
    skynet.kill(asker)
    local left = waiting "left"
    datacenter.set("left", 3)
    equal(select(2, left()), 3)
  end)

  test("who waits has the value before the one that sets it is answered", function()
    local order = {}
    for i = 1, 2 do
      skynet.fork(function()
        order[i] = datacenter.wait("first", "waiter") + i
      end)
    end
    eventually(function()
      return how_many_wait() == 2
    end)
    datacenter.set("first", "waiter", 10)
    equal(order[1], 11)
    equal(order[2], 12)
  end)

  test("services that end while they wait leave nothing behind", function()
    for round = 1, 4 do
      local askers = {}
      for i = 1, 40 do
        askers[i] = skynet.newservice "skynet/asker"
        skynet.send(askers[i], "lua", "wait", "never", i)
        skynet.fork(pcall, skynet.call, askers[i], "lua", "wait", "never", -i, round)
      end
      eventually(function()
        return how_many_wait() >= 40
      end)
      for _, asker in ipairs(askers) do
        skynet.kill(asker)
      end
    end
    assert(how_many_wait() <= 200, how_many_wait())
    datacenter.set("never", 1, "x")
  end)

  test("whoever sets may be another service", function()
    local outcome = waiting("from", "elsewhere")
    local asker = skynet.newservice "skynet/asker"
    skynet.call(asker, "lua", "set", "from", "elsewhere", "here")
    equal(select(2, outcome()), "here")
    skynet.kill(asker)
    equal(datacenter.get("from", "elsewhere"), "here")
  end)

  check.done()
  skynet.abort()
end)
