-- Data that services share by name, and that follows its updates: sharedata, datasheet.

local builder = require "skynet.datasheet.builder"
local cache = require "cache"
local check = require "check"
local datasheet = require "skynet.datasheet"
local files = require "module.files"
local eventually = require "skynet.eventually"
local sharedata = require "skynet.sharedata"
local skynet = require "skynet"
require "skynet.manager"

local equal, refuses, test = check.equal, check.refuses, check.test

local function keys_of(object)
  local keys = {}
  for key in pairs(object) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  return table.concat(keys, " ")
end

skynet.start(function()
  test("shared data is seen by name, as a read-only table", function()
    sharedata.new("one", { a = 1, list = { 10, 20, { deep = true } } })
    local one = sharedata.query "one"
    equal(one, sharedata.query "one")
    equal(one.a, 1)
    equal(one.nothing, nil)
    equal(#one.list, 3)
    equal(one.list, one.list)
    equal(one.list[3].deep, true)
    local sum = 0
    for _, value in ipairs(one.list) do
      sum = sum + (tonumber(value) or 0)
    end
    equal(sum, 30)
    equal(keys_of(one), "a list")
    equal(keys_of(one.list[3]), "deep")
    refuses("only read: cannot change one%.list%.1", function()
      one.list[1] = 2
    end)
    refuses("already", sharedata.new, "one", {})
    refuses("no shared data two", sharedata.query, "two")
    refuses("no shared data two", sharedata.delete, "two")
  end)

  test("an update reaches who holds the data", function()
    local one = sharedata.query "one"
    local list = one.list
    local readers = {}
    for i = 1, 3 do
      readers[i] = skynet.newservice("skynet/reader", "one")
      equal(skynet.call(readers[i], "lua"), 10)
    end
    skynet.kill(table.remove(readers))
    sharedata.update("one", { a = 2, list = { 11 } })
    eventually(function()
      return one.a == 2
    end)
    equal(list[1], 11)
    equal(#list, 1)
    equal(one.list, list)
    for _, reader in ipairs(readers) do
      eventually(function()
        return skynet.call(reader, "lua") == 11
      end)
      skynet.kill(reader)
    end
  end)

  test("a table that an update took away says so, also when there is one again", function()
    sharedata.update("one", { a = 2, list = { 11, { deep = 1 } } })
    local one = sharedata.query "one"
    local list = one.list
    local inner = list[2]
    sharedata.update("one", { a = 3 })
    eventually(function()
      return one.a == 3
    end)
    equal(one.list, nil)
    local message = "the shared table one%.list is gone since an update"
    refuses(message, function()
      return list[1]
    end)
    refuses(message, function()
      return #list
    end)
    refuses(message, pairs(list), list)
    sharedata.update("one", { list = { 12, { deep = 2 } } })
    refuses(message, function()
      return list[1]
    end)
    refuses("the shared table one%.list%.2 is gone", function()
      return inner.deep
    end)
    equal(one.a, nil)
    equal(one.list ~= list, true)
    equal(one.list[1], 12)
    equal(one.list[2].deep, 2)
    sharedata.update("one", { list = { 13 } })
    refuses(message, function()
      return list[1]
    end)
    equal(one.list[1], 13)
  end)

  test("an update that nobody has looked at before the next one takes nothing away", function()
    local one = sharedata.query "one"
    local list = one.list
    sharedata.update("one", {})
    sharedata.update("one", { list = { 14, { deep = 3 } } })
    equal(list[1], 14)
    equal(one.list, list)
    local inner = list[2]
    sharedata.update("one", { list = {} })
    sharedata.update("one", { list = { 15, { deep = 4 } } })
    equal(inner.deep, 4)
    equal(list[2], inner)
    equal(#list, 2)
  end)

  test("tables that went away and that nobody holds are forgotten", function()
    sharedata.new("changing keys", { steady = {} })
    local object = sharedata.query "changing keys"
    local function use(count)
      for i = 1, count do
        local key = "key" .. i
        sharedata.update("changing keys", { [key] = { i } })
        equal(object[key][1], i)
      end
      collectgarbage()
      return collectgarbage "count"
    end
    local before_kib = use(100)
    local grown_kib = use(1000) - before_kib
    assert(grown_kib < 64, grown_kib)
  end)

  test("whoever updates sees it at once, and so does whom it calls then", function()
    sharedata.new("steady", { list = { 1 } })
    local steady = sharedata.query "steady"
    local reader = skynet.newservice("skynet/reader", "steady")
    for i = 2, 50 do
      sharedata.update("steady", { list = { i } })
      equal(steady.list[1], i)
      equal(skynet.call(reader, "lua"), i)
    end
    skynet.kill(reader)
  end)

  test("many updates leave one version behind, also where readers ended", function()
    local function sheet(n)
      local list = {}
      for i = 1, 20000 do
        list[i] = n
      end
      return { list = list }
    end
    sharedata.new("often", sheet(0))
    local often = sharedata.query "often"
    local function table_bytes()
      sharedata.flush()
      return cache.stats().shared.table_bytes
    end
    local before = table_bytes()
    for i = 1, 30 do
      local reader = skynet.newservice("skynet/reader", "often")
      sharedata.update("often", sheet(i))
      equal(skynet.call(reader, "lua"), i)
      skynet.kill(reader)
    end
    equal(often.list[20000], 30)
    -- All versions together would take five megabytes.
    eventually(function()
      return table_bytes() < before + (2 << 20)
    end)
  end)

  test("a service that reads shared data pays for objects, not for the data", function()
    local sheet = {}
    for i = 1, 20000 do
      sheet["key" .. i] = { i }
    end
    sharedata.new("large", { sheet = sheet })
    sheet = nil -- luacheck: ignore 311
    collectgarbage()
    local before_kib = collectgarbage "count"
    equal(sharedata.query("large").sheet.key20000[1], 20000)
    collectgarbage()
    local cost_kib = collectgarbage "count" - before_kib
    assert(cost_kib < 4, cost_kib)
  end)

  test("shared data can be copied and deleted", function()
    sharedata.new("copied", { inner = { x = 1 }, scalar = 5 })
    local copy = sharedata.deepcopy("copied", "inner")
    copy.x = 2
    equal(sharedata.query("copied").inner.x, 1)
    equal(sharedata.deepcopy("copied").inner.x, 1)
    equal(sharedata.deepcopy("copied", "scalar"), 5)
    equal(sharedata.deepcopy("copied", "nothing"), nil)
    local held = sharedata.query "copied"
    sharedata.delete "copied"
    refuses("no shared data copied", sharedata.deepcopy, "copied")
    eventually(function()
      return not pcall(sharedata.query, "copied")
    end)
    equal(held.inner.x, 1)
    sharedata.new("copied", { inner = { x = 3 } })
    equal(sharedata.query("copied").inner.x, 3)
    equal(held.inner.x, 1)
  end)

  test("shared data can be made by code", function()
    sharedata.new("code", "return { n = ... }", 5)
    equal(sharedata.query("code").n, 5)
    sharedata.new("globals", "x, y = 1, { math.max(1, 2) }")
    equal(sharedata.query("globals").y[1], 2)
    sharedata.new "empty"
    equal(next(sharedata.deepcopy "empty"), nil)
    refuses("broken:1:", sharedata.new, "broken", "x = = 1")
    refuses("No such file", sharedata.new, "broken", "@/no/such/file")
    refuses("not a number", sharedata.new, "broken", 7)
  end)

  test("a file that has changed is loaded anew, and so is what it loads in turn", function()
    local outer <close> = files.changing()
    local inner <close> = files.changing()
    inner:write "return 1"
    outer:write("v, inner = 1, dofile '" .. inner.path .. "'")
    sharedata.new("changing", "@" .. outer.path)
    equal(sharedata.query("changing").v, 1)
    equal(sharedata.query("changing").inner, 1)
    inner:write "return 2"
    outer:write("v, inner = 2, loadfile '" .. inner.path .. "'()")
    sharedata.update("changing", "@" .. outer.path)
    equal(sharedata.query("changing").v, 2)
    equal(sharedata.query("changing").inner, 2)
    inner:write "return 3"
    sharedata.update("changing", "@" .. outer.path)
    equal(sharedata.query("changing").inner, 3)
    local between <close> = files.changing()
    between:write("return dofile '" .. inner.path .. "'")
    outer:write("inner = dofile '" .. between.path .. "'")
    sharedata.update("changing", "@" .. outer.path)
    inner:write "return 4"
    sharedata.update("changing", "@" .. outer.path)
    equal(sharedata.query("changing").inner, 4)
    equal(cache.mode(), "ON")
  end)

  test("what cannot be shared is refused, and its name is free again", function()
    refuses("is a function", sharedata.new, "unfit", { f = print })
    sharedata.new("unfit", { fits = true })
    refuses("is a function", sharedata.update, "unfit", { f = print })
    equal(sharedata.query("unfit").fits, true)
  end)

  test("metatables stay behind, and objects can be shared again", function()
    local shown = setmetatable({}, {
      __pairs = function()
        return next, { x = 1, inner = { 2 } }, nil
      end,
    })
    sharedata.new("shown", { shown = shown, point = setmetatable({ y = 2 }, { __index = math }) })
    local object = sharedata.query "shown"
    equal(object.shown.inner[1], 2)
    equal(object.point.y, 2)
    equal(object.point.pi, nil)
    sharedata.new("again", object)
    equal(sharedata.query("again").shown.x, 1)
  end)

  test("data sheets are made, read and updated", function()
    refuses("no data sheet sheet", datasheet.query, "sheet")
    builder.new("sheet", { a = 1, b = 2, c = { 3 } })
    local sheet = datasheet.query "sheet"
    local c = sheet.c
    equal(sheet.a + sheet.b + c[1], 6)
    equal(keys_of(sheet), "a b c")
    equal(datasheet.query "sheet", sheet)
    builder.update("sheet", { b = 4, c = { 5 } })
    eventually(function()
      return sheet.b == 4
    end)
    equal(sheet.a, nil)
    equal(c[1], 5)
    builder.update("sheet", { a = 6, c = 7, d = 8 })
    eventually(function()
      return sheet.a == 6
    end)
    equal(sheet.c, 7)
    refuses("gone since an update", function()
      return c[1]
    end)
  end)

  test("a data sheet can be compiled where it is not made", function()
    builder.new("compiled", builder.compile { list = { 1, 2, 3 } })
    equal(#datasheet.query("compiled").list, 3)
    refuses("made already", builder.new, "compiled", {})
    refuses("not made by this service", builder.update, "unknown", {})
    refuses("a data sheet is a table", builder.compile, 1)
  end)

  check.done()
  skynet.abort()
end)
