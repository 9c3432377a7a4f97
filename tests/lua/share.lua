-- hive.share: tables that all services read in place.

local check = require "check"
local hive = require "hive"

local equal, match, test = check.equal, check.match, check.test
local share = hive.share

local function fails(f, ...)
  local ok, message = pcall(f, ...)
  equal(ok, false)
  return tostring(message)
end

local function reader()
  return hive.spawn("service.share_reader")
end

test("a published table reads as the table it was made of", function()
  local source = { "one", "two", name = "sword", price = 1.5, on = true, inner = { x = { 3 } } }
  share.publish("plain", source)
  local t = share.get "plain"
  equal(t.name, "sword")
  equal(t.price, 1.5)
  equal(t.on, true)
  equal(t.inner.x[1], 3)
  equal(t.nothing, nil)
  equal(#t, 2)
  equal(table.concat(t, " "), "one two")
  equal(select("#", table.unpack(t)), 2)
  local count = 0
  for key, value in pairs(t) do
    count = count + 1
    equal(rawget(t, key), value)
    if type(value) ~= "table" then
      equal(source[key], value)
    end
  end
  equal(count, 6)
  source.name = "axe"
  equal(t.name, "sword")
end)

test("shared references and cycles keep their identity", function()
  local common = { 1 }
  local source = { a = common, b = common }
  source.self = source
  share.publish("cycle", source)
  local t = share.get "cycle"
  equal(t.a, t.b)
  equal(t.self, t)
  equal(share.get "cycle", t)
end)

test("every way to write is refused, with the name and the path", function()
  share.publish("config", { list = { 3, 1, 2 }, deep = { { name = "x" } } })
  local t = share.get "config"
  local readonly = "^.*shared table 'config' is read%-only"
  match(
    fails(function()
      t.new = 1
    end),
    readonly .. ": cannot change 'new'$"
  )
  match(
    fails(function()
      t.deep[1].name = 2
    end),
    "share.lua:%d+: .* cannot change 'deep%[1%]%.name'$"
  )
  match(
    fails(function()
      for key in next, t do
        t[key] = nil
      end
    end),
    readonly
  )
  match(fails(rawset, t, "list", 1), readonly)
  match(fails(table.insert, t.list, 4), "cannot change 'list%[4%]'")
  match(fails(table.insert, t.list, 1, 4), readonly)
  match(fails(table.remove, t.list), readonly)
  match(fails(table.sort, t.list), readonly)
  match(fails(table.move, { 1 }, 1, 1, 1, t.list), readonly)
  match(fails(setmetatable, t.deep, {}), "cannot change the metatable of 'deep'")
  match(fails(debug.setmetatable, t, {}), readonly)
  match(
    fails(function()
      setmetatable({}, { __newindex = t }).key = 1
    end),
    readonly
  )
  equal(table.concat(t.list, ","), "3,1,2")
  equal(getmetatable(t), nil)
end)

test("a shared table serves as prototype and as metatable", function()
  share.publish("base", { __index = { answer = 42 }, color = "red" })
  local base = share.get "base"
  equal(setmetatable({}, base).answer, 42)
  equal(setmetatable({}, { __index = base }).color, "red")
  equal(getmetatable(setmetatable({}, base)), base)
end)

test("what cannot be shared is refused with the path to it", function()
  match(fails(share.publish, "bad", { a = { 1, print } }), "'a%[2%]' is a function of C")
  local count = 0
  match(
    fails(share.publish, "bad", {
      handlers = {
        add = function()
          count = count + 1
        end,
      },
    }),
    "'handlers%.add' is a function with the upvalue 'count'"
  )
  match(
    fails(share.publish, "bad", { m = setmetatable({}, {}) }),
    "'m' is a table with a metatable"
  )
  match(fails(share.publish, "bad", { [{}] = 1 }), "is a key that is no string")
  match(fails(share.publish, "bad", { co = coroutine.create(print) }), "'co' is a coroutine")
  match(fails(share.publish, "bad", { io = io.stdout }), "'io' is a userdata")
  match(fails(share.publish, "bad", 1), "table expected, got number")
  match(fails(share.publish, "", {}), "name of a shared table")
  equal(share.get "bad", nil)
end)

test("functions run with the globals of the service that calls them", function()
  share.publish("functions", {
    whose = function()
      return _G.OWNER
    end,
    area = function(w, h)
      return w * h
    end,
    __index = function(_, key)
      return key .. "!"
    end,
  })
  local t = share.get "functions"
  _G.OWNER = "main"
  equal(t.whose(), "main")
  equal(t.whose, share.get("functions").whose)
  equal(t.area(6, 7), 42)
  equal(setmetatable({}, t).any, "any!")
  local other = reader()
  equal(other:run("functions", "whose"), nil)
  equal(other:run("functions", "area", 2, 3), 6)
  hive.kill(other)
  _G.OWNER = nil
end)

test("functions of a version that was replaced go on running", function()
  local function version(n)
    return assert(load("return { n = function() return " .. n .. " end }", "=functions"))()
  end
  share.publish("code", version(1))
  local old = share.get("code").n
  share.publish("code", version(2))
  equal(old(), 1)
  collectgarbage()
  equal(old(), 1)
  equal(share.get("code").n(), 2)
  share.drop "code"
end)

test("a name stands for the version published last", function()
  local first = share.publish("versions", { n = 1 })
  local old = share.get "versions"
  local second = share.publish("versions", { n = 2 })
  equal(second > first, true)
  equal(share.version "versions", second)
  local new, number = share.get "versions"
  equal(number, second)
  equal(new.n, 2)
  equal(old.n, 1)
  equal(share.drop "versions", true)
  equal(share.drop "versions", false)
  equal(share.get "versions", nil)
  equal(share.version "versions", nil)
  equal(new.n, 2)
end)

test("strings that a service made before are the same as shared ones", function()
  local other <close> = reader()
  -- Words that no code contains: only data of both services.
  local word, value = "wor" .. os.time() .. "d", "val" .. os.time()
  equal(other:keep(word, value), true)
  share.publish("words", { [word] = value, list = { word } })
  equal(other:compare("words", word), value)
  local t = share.get "words"
  equal(t[word], value)
  equal(({ [t[word]] = 1 })[value], 1)
  equal(({ [word] = 1 })[t.list[1]], 1)
end)

test("a service can bring all its references up to date at once", function()
  share.publish("update", { a = { n = 1 }, gone = {}, same = 1 })
  local old = share.get "update"
  local inner, gone, list = old.a, old.gone, { old, old.a, old.gone }
  local keys = { [old] = "root", [old.a] = "inner", [old.gone] = "gone" }
  local object = setmetatable({}, { __index = old.a })
  local upvalue = old.a
  local function read()
    return upvalue.n
  end
  local task = coroutine.wrap(function(t)
    coroutine.yield()
    return t.n
  end)
  task(inner)
  share.publish("update", { a = { n = 2 }, gone = 3 })
  local new = share.get "update"
  equal(share.update(old, new) > 10, true)
  equal(old, new)
  equal(inner, new.a)
  equal(gone, nil)
  equal(list[1], new)
  equal(list[2], new.a)
  equal(list[3], nil)
  equal(keys[new], "root")
  equal(keys[new.a], "inner")
  local count = 0
  for _ in pairs(keys) do
    count = count + 1
  end
  equal(count, 2)
  equal(object.n, 2)
  equal(read(), 2)
  equal(task(), 2)
  equal(share.is(new), true)
  equal(share.is {}, false)
  match(fails(share.update, new, {}), "two shared tables expected")
end)

test("many services read one table and the last one frees it", function()
  local services = {}
  share.publish("many", { rows = { { id = 1 }, { id = 2 } } })
  for i = 1, 20 do
    services[i] = reader()
    equal(services[i]:hold("many"), 2)
  end
  local function figures()
    for _, table in ipairs(share.stats().tables) do
      if table.name == "many" then
        return table
      end
    end
  end
  equal(figures().users, 20)
  equal(figures().tables, 4)
  equal(hive.stats().shared_tables >= 1, true)
  local before = require("cache").stats().shared.freed_tables
  share.drop "many"
  for i = 1, 20 do
    equal(services[i]:release(), true)
  end
  equal(require("cache").stats().shared.freed_tables > before, true)
  for i = 1, 20 do
    hive.stop(services[i])
  end
end)

test("a weak table does not keep a table that is retired", function()
  share.publish("weak", { inner = {} })
  local weak = setmetatable({}, { __mode = "kv" })
  weak[1], weak[share.get("weak").inner] = share.get "weak", true
  collectgarbage()
  equal(weak[1].inner ~= nil, true)
  share.drop "weak"
  collectgarbage()
  equal(next(weak), nil)
end)

test("a shared table travels in messages as a copy", function()
  share.publish("message", { list = { 1, 2 }, name = "n" })
  local other <close> = reader()
  local copy = other:echo(share.get "message")
  equal(copy.list[2], 2)
  equal(copy.name, "n")
  copy.name = "changed"
end)

test("a module of data is run once for the host", function()
  local data = share.require "module.shared"
  equal(data.items[2].name, "axe")
  equal(share.require "module.shared", data)
  local other <close> = reader()
  equal(other:run_of("module.shared"), data.run)
  match(
    fails(function()
      data.items[1].name = "x"
    end),
    "shared table 'module.shared' is read%-only: cannot change 'items%[1%]%.name'"
  )
  local path = package.searchpath("module.shared", package.path)
  require("cache").clear(path)
  equal(share.require("module.shared").run ~= data.run, true)
end)

test("a module may return a plain value, and nothing else", function()
  equal(share.require "module.shared_text", "just a text")
  local message = fails(share.require, "module.plain_function")
  match(message, "'f' is a function\nhint: a shared module returns .* without functions")
  equal(message:find "globals", nil)
  message = fails(share.require, "module.silent")
  match(message, "'module.silent': it returns nil\nhint: a shared module returns")
end)

test("a shared module that is not found is told of as require tells of others", function()
  local message = fails(share.require, "module.none")
  match(message, "shared module 'module.none' not found:\n\tno file '[^\n]+'\n\tno file '[^\n]+'")
  local places = message:match "not found:(.*)$"
  match(select(2, pcall(require, "module.none")), places:gsub("%p", "%%%0"))
end)

check.done()
