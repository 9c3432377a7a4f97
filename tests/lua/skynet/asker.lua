-- A service that asks for what suites name, and tells what it got: a reader of a stm or of a
-- sharemap, one that waits for a place of the data center, a subscriber to a channel.

local datacenter = require "skynet.datacenter"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
local stm = require "skynet.stm"

local heard, reader, record = {}, nil, nil
local command = {}

function command.wait(...)
  return datacenter.wait(...)
end

function command.set(...)
  return datacenter.set(...)
end

function command.subscribe(number)
  local channel = multicast.new {
    channel = number,
    dispatch = function(_, source, ...)
      heard[#heard + 1] = table.concat({ source, ... }, " ")
    end,
  }
  channel:subscribe()
end

function command.heard()
  return table.unpack(heard)
end

function command.take(copy)
  reader = stm.newcopy(copy)
end

function command.read()
  return reader(skynet.unpack)
end

function command.take_map(typename, copy)
  record = require("skynet.sharemap").reader(typename, copy)
  return record.x
end

function command.read_map()
  return record:update() ~= false, record.x, record.s
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
