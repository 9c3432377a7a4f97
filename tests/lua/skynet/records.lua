-- Records that one service writes and others read, by a schema.

local check = require "check"
local sharemap = require "skynet.sharemap"
local skynet = require "skynet"
local sprotoloader = require "sprotoloader"
local sprotoparser = require "sprotoparser"
require "skynet.manager"

local equal, refuses, test = check.equal, check.refuses, check.test

local SCHEMA = [[
  .record {
    x 0 : integer
    s 1 : string
  }
]]

skynet.start(function()
  sprotoloader.save(sprotoparser.parse(SCHEMA, "record"), 0)

  test("readers see what was committed when they update", function()
    local writer = sharemap.writer("record", { x = 1 })
    local reader = sharemap.reader("record", writer:copy())
    equal(reader.x, 1)
    writer.x, writer.s = 2, "text"
    equal(writer.x, 2)
    equal(reader:update(), false)
    equal(reader.x, 1)
    writer:commit()
    equal(reader:update(), true)
    equal(reader.x, 2)
    equal(reader.s, "text")
    writer.s = nil
    writer:commit()
    reader:update()
    equal(reader.s, nil)
    refuses("only read %(key x%)", function()
      reader.x = 1
    end)
  end)

  test("readers in other services follow, and their end harms nobody", function()
    local writer = sharemap.writer("record", { x = 1 })
    local asker = skynet.newservice "skynet/asker"
    local other = skynet.newservice "skynet/asker"
    equal(skynet.call(asker, "lua", "take_map", "record", writer:copy()), 1)
    equal(skynet.call(other, "lua", "take_map", "record", writer:copy()), 1)
    skynet.kill(other)
    writer.x, writer.s = 5, "five"
    writer:commit()
    local changed, x, s = skynet.call(asker, "lua", "read_map")
    equal(changed, true)
    equal(x .. s, "5five")
    equal(skynet.call(asker, "lua", "read_map"), false)
    skynet.kill(asker)
  end)

  test("an unknown type is an error", function()
    refuses("nothing", sharemap.writer, "nothing", {})
  end)

  check.done()
  skynet.abort()
end)
