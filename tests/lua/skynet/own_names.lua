-- Names that belong to services of the host's own, in a host where nobody has asked for them yet.

local check = require "check"
local core = require "skynet.core"
local hive = require "hive"
local skynet = require "skynet"
require "skynet.manager"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

local function taken(name)
  return ("the name `%s` belongs to service %s:%%x+$"):format(name, name)
end

skynet.start(function()
  test("a name of the host's own cannot be taken before its service is first used", function()
    local refusal = refuses(taken ".service", skynet.register, ".service")
    local s = skynet.uniqueservice("skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    equal(refuses(taken ".service", skynet.register, ".service"), refusal)
    skynet.kill(s)
  end)

  test("nor can it be given to another service", function()
    local s = skynet.newservice("skynet/life", "plain")
    refuses(taken ".launcher", skynet.name, ".launcher", s)
    equal(type(skynet.call(".launcher", "lua", "LIST")), "table")
    refuses(taken ".cslave", core.command, "NAME", ".cslave " .. skynet.address(s))
    refuses(taken "hive.provider", core.command, "REG", "hive.provider")
    skynet.kill(s)
  end)

  test("nor in the words of hive", function()
    match(fails("name_taken", hive.register, "DATACENTER").message, taken "DATACENTER")
    local datacenter = require "skynet.datacenter"
    datacenter.set("key", 1)
    equal(datacenter.get "key", 1)
    local spawn = { "service.echo", register = "hive.sharedata" }
    match(fails("name_taken", hive.spawn, spawn).message, taken "hive.sharedata")
    match(fails("name_taken", hive.register, "hive.uniques").message, taken "hive.uniques")
    local echo = hive.unique "service.echo"
    equal(echo:echo(1), 1)
    hive.kill(echo)
  end)

  test("names that are free on skynet are here as well", function()
    for _, name in ipairs { ".provider", ".sharedata" } do
      skynet.register(name)
      equal(skynet.localname(name), skynet.self())
    end
    require("skynet.sharedata").new("own_names.data", { a = 1 })
    equal(require("skynet.sharedata").query("own_names.data").a, 1)
  end)

  test("nor while one that has ended is not started again", function()
    skynet.kill ".service"
    refuses(taken ".service", skynet.register, ".service")
    local s = skynet.uniqueservice("skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
  end)

  test("services that begin by their file leave their names to programs", function()
    skynet.register "snaxd"
    equal(core.named "snaxd", skynet.self())
    hive.register "hive.supervisor"
    equal(core.named "hive.supervisor", skynet.self())
  end)

  test("the name of the log may be taken, and is that of its owner then", function()
    skynet.register ".logger"
    equal(skynet.localname ".logger", skynet.self())
    local s = skynet.newservice("skynet/life", "plain")
    refuses("the name `%.logger` belongs to service ", skynet.name, ".logger", s)
    skynet.kill(s)
  end)

  check.done()
  skynet.abort()
end)
