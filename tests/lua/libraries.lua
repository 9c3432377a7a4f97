-- Libraries for servers of skynet, as services use them: message pointers, shared schemas.

local check = require "check"
local hive = require "hive"
local skynet = require "skynet"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

local netpack = require "skynet.netpack"

-- What a connection has sent, as a message of the protocol "socket".
local function received(fd, bytes)
  return skynet.pack("data", fd, bytes)
end

local function frame(content)
  return netpack.tostring(netpack.pack(content))
end

test("a frame has two bytes of length in front", function()
  equal(frame "hello", "\0\5hello")
  equal(frame "", "\0\0")
  equal(frame(12), "\0\00212")
  equal(#frame(("x"):rep(65535)), 65537)
  refuses("Invalid size %(too long%): a frame holds 65535 bytes", netpack.pack, ("x"):rep(65536))
  local msg, sz = skynet.pack "content"
  equal(frame(skynet.tostring(msg, sz)), "\0" .. string.char(sz) .. skynet.tostring(msg, sz))
  skynet.trash(msg, sz)
end)

test("one whole frame goes straight to its handler", function()
  local queue, kind, fd, msg, sz = netpack.filter(nil, received(7, frame "hello"))
  equal(type(queue), "userdata")
  equal(kind, "data")
  equal(fd, 7)
  equal(netpack.tostring(msg, sz), "hello")
  equal(netpack.pop(queue), nil)
  refuses("leads nowhere", netpack.tostring, msg, sz)
end)

test("parts of frames wait for the rest, each connection for itself", function()
  local queue, kind, fd, msg, sz
  local bytes = frame "abc"
  for i = 1, #bytes - 1 do
    queue, kind = netpack.filter(queue, received(1, bytes:sub(i, i)))
    equal(kind, nil)
    queue, kind = netpack.filter(queue, received(2, bytes:sub(i, i)))
    equal(kind, nil)
  end
  queue, kind, fd, msg, sz = netpack.filter(queue, received(2, "c"))
  equal(kind, "data")
  equal(fd, 2)
  equal(netpack.tostring(msg, sz), "abc")
  equal(select("#", netpack.filter(queue, received(2, "\0"))), 1)
end)

test("several frames are popped in their order", function()
  local queue, kind = netpack.filter(nil, received(3, frame "a" .. frame "b" .. "\0\1"))
  equal(kind, "more")
  -- A frame that comes later does not overtake those that wait.
  queue, kind = netpack.filter(queue, received(3, "c"))
  equal(kind, "more")
  local found = {}
  for fd, msg, sz in netpack.pop, queue do
    equal(fd, 3)
    found[#found + 1] = netpack.tostring(msg, sz)
  end
  equal(table.concat(found), "abc")
  netpack.filter(queue, received(3, frame "d" .. frame "e"))
  netpack.clear(queue)
  equal(netpack.pop(queue), nil)
end)

test("other messages of a socket pass through, and a closed connection is forgotten", function()
  local queue, kind, fd, address = netpack.filter(nil, skynet.pack("open", 5, "127.0.0.1:80"))
  equal(kind, "open")
  equal(fd, 5)
  equal(address, "127.0.0.1:80")
  netpack.filter(queue, received(5, "\0\9begun"))
  queue, kind, fd = netpack.filter(queue, skynet.pack("close", 5))
  equal(kind, "close")
  equal(fd, 5)
  queue, kind = netpack.filter(queue, received(5, frame "new"))
  equal(kind, "data")
  queue = netpack.filter(queue, skynet.pack("warning", 5, 64))
  refuses("no message of the protocol socket", netpack.filter, queue, "nonsense")
end)

test("messages of sproto are read from message pointers", function()
  local sproto = require "sproto"
  local sp = sproto.parse ".Ping { number 0 : integer } .package { type 0 : integer }"
  local _, _, _, msg, sz =
    netpack.filter(nil, received(1, frame(sp:encode("Ping", { number = 5 }))))
  equal(sp:decode("Ping", msg, sz).number, 5)
  skynet.trash(msg, sz)
  local packed = sp:pencode("Ping", { number = 70000 })
  _, _, _, msg, sz = netpack.filter(nil, received(1, frame(packed)))
  equal(sp:pdecode("Ping", msg, sz).number, 70000)
  skynet.trash(msg, sz)
end)

test("services share the schema in a slot", function()
  local loader = require "sprotoloader"
  loader.save(require("sprotoparser").parse ".Ping { number 0 : integer }", 7)
  local reader = hive.spawn "service.schema_reader"
  equal(reader:read(7, loader.load(7):encode("Ping", { number = 9 })), 9)
end)

test("a schema outlives the service that has put it into its slot", function()
  local loader = require "sprotoloader"
  local writer = hive.spawn "service.schema_writer"
  writer:write(8)
  hive.kill(writer)
  fails("dead", hive.call, writer, "write", 8)
  local message = loader.load(8):encode("Ping", { number = 9 })
  for _ = 1, 2 do
    local reader = hive.spawn "service.schema_reader"
    equal(reader:read(8, message), 9)
    hive.kill(reader)
  end
end)

test("a slot that holds no schema is an error, and so is what is no slot or no schema", function()
  local loader = require "sprotoloader"
  local bytes = require("sprotoparser").parse ".Ping { number 0 : integer }"
  refuses("slot 100 holds no schema\nhint: sprotoloader.save fills it", loader.load, 100)
  local err = fails("error", hive.call, hive.spawn "service.schema_reader", "read", 100, "")
  match(err.message, "slot 100 holds no schema")
  for _, slot in ipairs { -1, 128, 1 << 60 } do
    refuses("slots are numbered 0 to 127", loader.load, slot)
    refuses("slots are numbered 0 to 127", loader.save, bytes, slot)
  end
  refuses("number expected, got string", loader.load, "first")
  refuses("no integer representation", loader.load, 1.5)
  refuses("these bytes are no schema", loader.save, "nonsense", 100)
  refuses("string expected, got nil", loader.save, nil, 100)
  refuses("No such file", loader.register, "/nowhere.sproto", 100)
  refuses("slot 100 holds no schema", loader.load, 100)
end)

test("values of bson travel between services", function()
  local bson = require "bson"
  local id = bson.objectid()
  local echo = hive.spawn "service.echo"
  equal(echo:echo(id), id)
end)

test("what is no document of bson gives nothing when it is decoded", function()
  local bson = require "bson"
  equal(select("#", bson.decode(nil)), 0)
  equal(select("#", bson.decode()), 0)
end)

test("modules have the names as well that they had before skynet 1.0", function()
  for _, name in ipairs { "crypt", "datacenter", "multicast", "netpack", "profile", "snax" } do
    equal(require(name), require("skynet." .. name))
  end
end)

check.done()
