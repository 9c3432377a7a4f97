-- What natives build and hold outside Lua counts as memory of the service.

local check = require "check"
local hive = require "hive"

local equal, match, test = check.equal, check.match, check.test

local LIMIT = 24 << 20

-- Runs code in a service of its own with a memory limit; returns what it returns, or the error's
-- message, and the service.
local function attempt(code, ...)
  local service = hive.spawn { "service.limited", memory_limit = LIMIT }
  local ok, result = pcall(hive.call, service, "run", code, ...)
  if not ok then
    result = result.message
  end
  return result, service
end

-- The same where the service has all its memory again afterwards.
local function run(code, ...)
  local result, service = attempt(code, ...)
  equal(hive.call(service, "run", "collectgarbage() return #('x'):rep(16 << 20)"), 16 << 20)
  hive.kill(service)
  return result
end

local function refused(code)
  match(run(code), "not enough memory")
end

-- Code that holds for good what it could get.
local function refused_for_good(code)
  local result, service = attempt(code)
  match(result, "not enough memory")
  equal(hive.call(service, "run", "return 'lives'"), "lives")
  hive.kill(service)
end

local function document(list)
  return [[
    local bson = require 'bson'
    local text = ('x'):rep(1 << 20)
    return #bson.encode { list = ]] .. list .. " }"
end

test("a document has the limit of its service, however often it holds one string", function()
  refused(document "(function(t) for i = 1, 60 do t[i] = text end return t end) {}")
  refused(document [[setmetatable({}, {
    __len = function() return 60 end,
    __index = function() return text end,
  })]])
  refused [[
    local bson, values = require 'bson', {}
    for i = 1, 120, 2 do values[i], values[i + 1] = 'k' .. i, ('x'):rep(1 << 20) end
    for i = 4, 120, 2 do values[i] = values[2] end
    return #bson.encode_order(table.unpack(values))
  ]]
end)

test("a document is refused before its list is walked that cannot fit", function()
  local text = "the document is larger than 67108864 bytes"
  local list = [[setmetatable({}, {
    __len = function() return %s end,
    __index = function() return 1 end,
  })]]
  match(run(document(list:format "math.maxinteger")), text)
  match(run(document(list:format "1 << 25")), text)
end)

test("a document that becomes many tables has the limit of its service", function()
  refused [[
    local function document(elements)
      return ('<i4'):pack(#elements + 5) .. elements .. '\0'
    end
    local empty = '\3\0' .. document ''
    return #require('bson').decode(document('\4list\0' .. document(empty:rep(400000)))).list
  ]]
end)

local SCHEMA = [[
  local sproto = require 'sproto'
  local schema = sproto.parse [=[
    .A { i 0 : *integer d 1 : *double b 2 : *boolean s 3 : *string a 4 : *A }
  ]=]
]]

test("a message has the limit of its service, however many items a proxy gives", function()
  for field, value in pairs { i = "1", d = "1.5", b = "true", s = "('x'):rep(1000)" } do
    local code = SCHEMA
      .. ("local value = %s collectgarbage()"):format(value)
      .. " require('skynet').memlimit(4 << 20)"
      .. " local proxy = setmetatable({}, { __index = function() return value end })"
      .. (" local ok, err = pcall(schema.encode, schema, 'A', { %s = proxy })"):format(field)
      .. (" require('skynet').memlimit(%d)"):format(LIMIT)
      .. " return err"
    match(run(code), "not enough memory")
  end
end)

test("a message that becomes many tables has the limit of its service", function()
  refused(SCHEMA .. [[
    local text = ('<s4'):pack ''
    local empty = ('<s4'):pack '\0\0'
    local list = ('<s4'):pack(empty:rep(1 << 20))
    return #schema:decode('A', '\2\0' .. '\7\0' .. '\0\0' .. list).a
  ]])
end)

test("schemas count until the last of their types is gone", function()
  refused [[
    local core, parser = require 'sproto.core', require 'sprotoparser'
    local fields, kept = {}, {}
    for i = 1, 5000 do fields[i] = ('field%d %d : integer'):format(i, i) end
    local bytes = parser.parse('.A { ' .. table.concat(fields, '\n') .. ' }')
    for i = 1, 200 do
      local schema = core.newproto(bytes)
      kept[i] = core.querytype(schema, 'A')
      core.deleteproto(schema)
    end
    return #kept
  ]]
end)

test("integers of a message become wide with the first that needs it", function()
  local code = SCHEMA
    .. [[
    local list = { 1, -2, 3, 1 << 40, -5, math.mininteger, 7 }
    local found = schema:decode('A', schema:encode('A', { i = list })).i
    for i, number in ipairs(list) do assert(found[i] == number, i) end
    local narrow, wide = schema:encode('A', { i = { 1, 2 } }), schema:encode('A', { i = list })
    return #found .. #wide .. ' ' .. #narrow
  ]]
  equal(run(code), "765 17")
end)

-- Code with a message pointer of 1 MiB more each time.
local function repeated(code)
  return [[
    local skynet, netpack, stm = require 'skynet', require 'skynet.netpack', require 'skynet.stm'
    local text, kept = ('x'):rep(1 << 20), {}
    local function pointer() return skynet.pack(text) end
    for i = 1, 40 do ]] .. code .. [[ end
    return 'all of them'
  ]]
end

test("message pointers count until they are sent, trashed or used up", function()
  refused_for_good(repeated "kept[i] = pointer()")
  refused_for_good(repeated "for _ = 1, 16 do netpack.pack(('x'):rep(65535)) end")
  for _, code in ipairs {
    "skynet.trash(pointer())",
    "netpack.tostring(pointer())",
    "netpack.filter(nil, skynet.pack('open', 1, text))",
    "skynet.rawsend(skynet.self(), 'text', pointer()) skynet.sleep(0)",
    "skynet.redirect(skynet.self(), 0, 'text', 0, pointer()) skynet.sleep(0)",
    "skynet.redirect(-5, 0, 'text', 0, pointer())",
    "pcall(skynet.rawcall, -5, 'text', pointer())",
    "skynet.fork(pcall, skynet.ret, pointer()) skynet.sleep(0)",
    "require('skynet.multicast').new():publish(text)",
    "stm.new(pointer()) collectgarbage()",
    "kept[1] = kept[1] or stm.new '' kept[1](pointer())",
    "local msg, size = pointer() skynet.dispatch_message('text', msg, size, 0, 5) skynet.sleep(0)",
  } do
    local register = "require('skynet').register_protocol { name = 'text', id = 200 }"
    local found = run(register .. repeated(code))
    equal(found .. " of " .. code, "all of them of " .. code)
  end
end)

test("memory reads the same before and after message pointers", function()
  local service = hive.spawn "service.limited"
  local code = [[
    local skynet, netpack = require 'skynet', require 'skynet.netpack'
    local text, queue = ...
    skynet.trash(skynet.pack(text))
    skynet.rawsend(-5, 'lua', skynet.pack(text))
    netpack.tostring(netpack.pack(text:sub(1, 1000)))
    queue = netpack.filter(queue, skynet.pack('data', 1, '\0\5abc'))
    netpack.filter(queue, skynet.pack('data', 2, '\0\5abc'))
    local _, _, _, msg, size = netpack.filter(queue, skynet.pack('data', 1, 'de\0\9'))
    netpack.tostring(msg, size)
    netpack.filter(queue, skynet.pack('data', 1, '123456789\0\1a\0\1b'))
    netpack.filter(queue, skynet.pack('close', 2))
    local _, msg, size = netpack.pop(queue)
    skynet.trash(msg, size)
    netpack.clear(queue)
    require('skynet.stm').new(skynet.pack(text))(skynet.pack(text))
    assert(skynet.messages() == 0)
    queue, text = nil, nil
    collectgarbage()
    collectgarbage()
  ]]
  local before
  for _ = 1, 5 do
    hive.call(service, "run", code, ("x"):rep(50000))
    hive.call(service, "run", "collectgarbage() collectgarbage()")
    hive.call(service, "run", "")
    local now = hive.stats(service).memory_bytes
    before = before or now
    assert(now <= before + 500, now - before)
  end
  hive.kill(service)
end)

test("a message that a program forwards is its own and counts", function()
  local skynet = require "skynet"
  skynet.register_protocol { name = "text", id = 200, pack = tostring }
  local keeper = hive.spawn { "service.keeper", memory_limit = LIMIT }
  local function send(count)
    for _ = 1, count do
      skynet.send(keeper, "text", ("x"):rep(1 << 20))
    end
    return hive.call(keeper, "count")
  end
  local count = send(60)
  assert(count > 10 and count < 24, count)
  hive.call(keeper, "trash")
  equal(send(3), 3)
  hive.kill(keeper)
end)

test("what readers of a board are shown is theirs for the call alone", function()
  local code = "kept[1] = kept[1] or stm.new '' kept[2] = kept[2] or stm.newcopy(stm.copy(kept[1]))"
    .. " kept[1](pointer()) assert(kept[2](skynet.unpack)) assert(skynet.messages() == 0)"
  equal(run(repeated(code)), "all of them")
end)

test("boards count as memory of who writes on them", function()
  refused(repeated "kept[i] = stm.new(pointer())")
end)

test("frames that clients have begun count as memory of the gate", function()
  refused [[
    local skynet, netpack = require 'skynet', require 'skynet.netpack'
    local begun, queue = '\xff\xff' .. ('x'):rep(65000)
    for client = 1, 1000 do queue = netpack.filter(queue, skynet.pack('data', client, begun)) end
  ]]
  refused [[
    local skynet, netpack = require 'skynet', require 'skynet.netpack'
    local whole, queue = '\xff\xff' .. ('x'):rep(65535)
    for client = 1, 1000 do
      queue = netpack.filter(queue, skynet.pack('data', client, whole:rep(2)))
    end
  ]]
end)

test("a log line has the limit of its service", function()
  refused [[
    local text, texts = ('x'):rep(1 << 20), {}
    for i = 1, 60 do texts[i] = text end
    require('skynet').error(table.unpack(texts))
  ]]
end)

test("keys of a dictionary have the limit of the service that asks for them", function()
  local shared = require "shared"
  shared.unlink "memory-keys"
  local dict = shared.create("memory-keys", { size = "128m" })
  for i = 1, 600 do
    dict:set(("x"):rep(60000) .. i, i)
  end
  refused("return #require('shared').open('memory-keys'):get_keys(0)")
  for i = 1, 300 do
    dict:rpush("list", ("x"):rep(100000) .. i)
  end
  refused("return #require('shared').open('memory-keys'):lrange('list')")
  shared.unlink "memory-keys"
end)

test("settings that services make are limited", function()
  local code = [[
    local skynet, text = require 'skynet', ('x'):rep(1 << 20)
    for i = 1, 80 do skynet.setenv('setting' .. i, text) end
  ]]
  match(run(code), "`setting64` of 1048585 bytes is one too much: there are 63 settings")
end)

test("messages that a program's own dispatcher leaves to the host are limited", function()
  local code = [[
    local skynet, text = require 'skynet', ('x'):rep(1 << 20)
    skynet.register_protocol { name = 'text', id = 200, dispatch = function() end }
    local host = skynet.dispatch_message
    function skynet.dispatch_message(...) return host(...) end
    skynet.start(function() end)
    for i = 1, 80 do host(200, text, #text, 0, skynet.self()) end
  ]]
  match(run(code), "too much was passed to skynet.dispatch_message: 63 messages wait")
end)

test("metamethods that encode again end with an error and not with the process", function()
  local code = [[
    local bson, skynet, depth, meta = require 'bson', require 'skynet', 0, {}
    local schema = require('sproto').parse '.A { a 0 : A b 1 : integer }'
    local function wrap(t, n) for _ = 1, n do t = { a = t } end return t end
    local encode = ...
    local function again()
      depth = depth + 1
      if encode == 'bson' then bson.encode(wrap(setmetatable({}, meta), 120))
      elseif encode == 'pack' then skynet.packstring(wrap(setmetatable({}, meta), 30))
      else schema:encode('A', wrap(setmetatable({}, meta), 60)) end
      return next, {}
    end
    if encode == 'sproto' then meta.__index = function(_, key) if key == 'b' then again() end end
    else meta.__pairs = again end
    local ok, err = pcall(again)
    return tostring(ok) .. (tostring(err):match 'overflow' or tostring(err)) .. tostring(depth > 3)
  ]]
  for _, encode in ipairs { "bson", "pack", "sproto" } do
    equal(run(code, encode) .. encode, "falseoverflowtrue" .. encode)
  end
end)

check.done()
