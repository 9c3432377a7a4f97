-- One writer and many readers: stm, and sharemap over it.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
local stm = require "skynet.stm"
require "skynet.manager"

local equal, refuses, test = check.equal, check.refuses, check.test

skynet.start(function()
  test("a reader gets what was written last, once", function()
    local writer = stm.new(skynet.pack("one", 1))
    local reader = stm.newcopy(stm.copy(writer))
    local ok, text, n = reader(skynet.unpack)
    equal(ok, true)
    equal(text .. n, "one1")
    equal(reader(skynet.unpack), false)
    writer(skynet.pack "two")
    writer(skynet.pack "three")
    equal(select(2, reader(skynet.unpack)), "three")
    equal(reader(skynet.unpack), false)
    equal(select(2, stm.newcopy(stm.copy(writer))(skynet.unpack)), "three")
  end)

  test("the function gets pointer, size and a value of the caller", function()
    local writer = stm.new "text"
    local reader = stm.newcopy(stm.copy(writer))
    local function read(msg, sz, value)
      return skynet.tostring(msg, sz), sz, value
    end
    local ok, text, size, value = reader(read, "mine")
    equal(ok, true)
    equal(text, "text")
    equal(size, 4)
    equal(value, "mine")
    writer ""
    equal(select(3, reader(read)), 0)
  end)

  test("what a reader reads is not kept alive", function()
    local writer = stm.new "text"
    local reader = stm.newcopy(stm.copy(writer))
    skynet.sleep(0)
    local alive = skynet.messages()
    for i = 1, 100 do
      writer(skynet.pack(i))
      equal(select(2, reader(skynet.unpack)), i)
    end
    skynet.sleep(0)
    equal(skynet.messages(), alive)
  end)

  test("an error of the function is the reader's", function()
    local reader = stm.newcopy(stm.copy(stm.new "x"))
    refuses("no such luck", reader, function()
      error "no such luck"
    end)
    refuses("function expected", reader)
  end)

  test("other services read what this one writes", function()
    local writer = stm.new(skynet.pack(1))
    local askers = {}
    for i = 1, 3 do
      askers[i] = skynet.newservice "skynet/asker"
      skynet.call(askers[i], "lua", "take", stm.copy(writer))
    end
    skynet.kill(table.remove(askers))
    for i = 2, 20 do
      writer(skynet.pack(i))
      for _, asker in ipairs(askers) do
        local ok, value = skynet.call(asker, "lua", "read")
        equal(ok, true)
        equal(value, i)
        equal(skynet.call(asker, "lua", "read"), false)
      end
    end
    for _, asker in ipairs(askers) do
      skynet.kill(asker)
    end
  end)

  test("readers of a writer that is gone read nothing", function()
    local writer = stm.new "x"
    local copy = stm.copy(writer)
    local reader = stm.newcopy(copy)
    equal(select(2, reader(skynet.tostring)), "x")
    writer "unread"
    writer = nil -- luacheck: ignore 311
    eventually(function()
      collectgarbage()
      return stm.newcopy(copy)(skynet.tostring) == false
    end)
    equal(reader(skynet.tostring), false)
  end)

  test("values of other kinds are refused", function()
    refuses("stm writer expected", stm.copy, {})
    refuses("stm%.copy returned", stm.newcopy, 7)
    refuses("value expected", stm.new)
    refuses("message or string expected", stm.new, {})
  end)

  check.done()
  skynet.abort()
end)
