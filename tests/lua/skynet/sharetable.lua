-- `skynet.sharetable`: tables shared by names, and references that follow a new version.

local cache = require "cache"
local check = require "check"
local files = require "module.files"
local sharetable = require "skynet.sharetable"
local skynet = require "skynet"
require "skynet.manager"

local equal, refuses, test = check.equal, check.refuses, check.test

skynet.start(function()
  test("tables come from values, texts and files", function()
    sharetable.loadtable("value", { x = 1 })
    equal(sharetable.query("value").x, 1)
    sharetable.loadstring("text", "local a, b = ... return { sum = a + b }", 1, 2)
    equal(sharetable.query("text").sum, 3)
    local file = package.searchpath("module.shared", package.path)
    sharetable.loadfile(file)
    equal(sharetable.query(file).items[2].price, 7)
    sharetable.loadstring("by another name", "@" .. file)
    equal(sharetable.query("by another name").items[2].price, 7)
    refuses("no_such_file", sharetable.loadstring, "by another name", "@no_such_file")
    equal(select("#", sharetable.query "nothing"), 0)
    equal(select("#", sharetable.query(nil)), 0)
    refuses("table expected", sharetable.loadstring, "text", "return print")
    refuses("unexpected symbol", sharetable.loadstring, "text", "return =")
  end)

  test(
    "a file that has changed is loaded anew, and the cache is as it was while it runs",
    function()
      local changing <close> = files.changing()
      for version = 1, 2 do
        changing:write("local cache = require 'cache' return { ..., cache.mode() }")
        sharetable.loadfile(changing.path, version)
        equal(sharetable.query(changing.path)[2], "ON")
        changing:write("return { " .. version .. " }")
        sharetable.loadfile(changing.path)
        equal(sharetable.query(changing.path)[1], version)
        sharetable.loadstring("changing", "@" .. changing.path)
        equal(sharetable.query("changing")[1], version)
      end
      changing:write "return {"
      refuses("expected", sharetable.loadfile, changing.path)
      equal(cache.mode(), "ON")
      equal(sharetable.query(changing.path)[1], 2)
      refuses("name of a file is a string", sharetable.loadfile, nil)
    end
  )

  test("a table that is given loses its metatables, one that code makes may have none", function()
    local inner = setmetatable({ y = 2 }, { __index = print })
    local value = setmetatable({ x = 1, inner = inner, again = inner }, { __index = print })
    value.itself = value
    sharetable.loadtable("with metatables", value)
    local found = sharetable.query "with metatables"
    equal(found.x, 1)
    equal(found.nothing, nil)
    equal(found.inner.y, 2)
    equal(found.again, found.inner)
    equal(found.itself, found)
    equal(getmetatable(value).__index, print)

    local pairs_of = setmetatable({ hidden = 1 }, {
      __pairs = function()
        return next, { shown = 2 }
      end,
    })
    sharetable.loadtable("with metatables", { part = pairs_of })
    equal(sharetable.query("with metatables").part.shown, 2)
    equal(sharetable.query("with metatables").part.hidden, nil)

    refuses("metatable", sharetable.loadstring, "code", "return setmetatable({}, {})")
    refuses("a%.b.*coroutine", sharetable.loadtable, "bad", { a = { b = coroutine.create(print) } })
    refuses("table expected", sharetable.loadtable, "bad", 1)
  end)

  test("tables may hold functions that refer to globals only", function()
    sharetable.loadtable("methods", {
      double = function(n)
        return 2 * math.tointeger(n)
      end,
    })
    equal(sharetable.query("methods").double(21), 42)
    local text = "return { twice = function(f, x) return f(f(x)) end, list = { function() end } }"
    sharetable.loadstring("code", text)
    local code = sharetable.query "code"
    equal(code.twice(sharetable.query("methods").double, 1), 4)
    equal(select("#", code.list[1]()), 0)
    refuses(
      "'f' is a function with the upvalue 'n'",
      sharetable.loadstring,
      "code",
      "local n = 0 return { f = function() return n end }"
    )
  end)

  test("all tables, or some, can be had at once", function()
    local some = sharetable.queryall { "value", "nothing" }
    equal(some.value, sharetable.query "value")
    equal(some.nothing, nil)
    local all = sharetable.queryall()
    equal(all.value, some.value)
    equal(all.text.sum, 3)
  end)

  test("an update replaces what the service refers to", function()
    sharetable.loadtable("config", { list = { 1 }, old = {} })
    local first = sharetable.query "config"
    sharetable.loadtable("config", { list = { 1, 2 } })
    local second = sharetable.query "config"
    sharetable.loadtable("config", { list = { 1, 2, 3 } })
    local held = { first, second.list, first.old, name = first }
    sharetable.update("config", "nothing")
    equal(#first.list, 3)
    equal(first, second)
    equal(held[1], first)
    equal(#held[2], 3)
    equal(held[3], nil)
    equal(held.name, sharetable.query "config")
  end)

  check.done()
  skynet.abort()
end)
