-- What is left of a library's promises when the service on the other side dies.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local mode = ...

if mode == "helper" then
  local command = {}

  function command.share_table()
    require("skynet.sharetable").loadtable("deaths.table", { a = { 1 } })
  end

  function command.share_data()
    require("skynet.sharedata").new("deaths.data", { a = { 1 } })
  end

  function command.build()
    require("skynet.datasheet.builder").new("deaths.sheet", { a = { 1 } })
  end

  function command.channel()
    local channel = require("skynet.multicast").new { dispatch = function() end }
    channel:subscribe()
    return channel.channel
  end

  function command.query_name(name)
    return require("skynet.harbor").queryname(name)
  end

  function command.take_log()
    skynet.register_protocol {
      name = "text",
      id = skynet.PTYPE_TEXT,
      unpack = skynet.tostring,
      dispatch = function(_, _, text)
        command.last = text
      end,
    }
    skynet.register ".logger"
  end

  function command.last_line()
    return command.last
  end

  -- Answers when its caller has ended, and tells somebody what `retpack` said.
  function command.answer_late(witness)
    local caller = select(2, skynet.context())
    skynet.send(witness, "lua", "asked", caller)
    skynet.wait(command)
    local is_there = skynet.retpack "too late"
    skynet.send(witness, "lua", "answered", is_there)
  end

  function command.go_on()
    skynet.wakeup(command)
  end

  function command.ask(whom, witness)
    return skynet.call(whom, "lua", "answer_late", witness)
  end

  skynet.start(function()
    skynet.dispatch("lua", function(session, _, name, ...)
      local result = command[name](...)
      if session ~= 0 and name ~= "answer_late" then
        skynet.retpack(result)
      end
    end)
  end)
  return
end

local told = {}

local function wait_for(what)
  while told[what] == nil do
    skynet.wait(told)
  end
  local value = told[what]
  told[what] = nil
  return value
end

local function helper()
  return skynet.newservice(SERVICE_NAME, "helper")
end

-- Has a helper do something, and kills it.
local function by_the_dead(...)
  local s = helper()
  local result = skynet.call(s, "lua", ...)
  skynet.kill(s)
  return result
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, what, value)
    told[what] = value
    while skynet.wakeup(told) do
    end
  end)

  test("what a service has shared outlives it, and can be replaced by others", function()
    local sharetable, sharedata = require "skynet.sharetable", require "skynet.sharedata"
    by_the_dead "share_table"
    equal(sharetable.query("deaths.table").a[1], 1)
    sharetable.loadtable("deaths.table", { a = { 2 } })
    equal(sharetable.query("deaths.table").a[1], 2)

    by_the_dead "share_data"
    local data = sharedata.query "deaths.data"
    equal(data.a[1], 1)
    sharedata.update("deaths.data", { a = { 2 } })
    equal(data.a[1], 2)
    sharedata.delete "deaths.data"

    by_the_dead "build"
    local sheet = require("skynet.datasheet").query "deaths.sheet"
    equal(sheet.a[1], 1)
    require("skynet.datasheet.builder").new("deaths.sheet", { a = { 2 } })
    equal(sheet.a[1], 2)
  end)

  test("a channel outlives its maker, which is told of nothing any more", function()
    local heard
    local number = by_the_dead "channel"
    local channel = require("skynet.multicast").new {
      channel = number,
      dispatch = function(_, source, text)
        heard = text .. source
        skynet.wakeup(told)
      end,
    }
    channel:publish "nobody hears this"
    channel:subscribe()
    channel:publish "hello"
    while not heard do
      skynet.wait(told)
    end
    equal(heard, "hello" .. skynet.self())
    channel:delete()
  end)

  test("a unique service that has ended is waited for like one that never was", function()
    local first = skynet.uniqueservice(SERVICE_NAME, "helper")
    skynet.kill(first)
    local queried
    skynet.fork(function()
      queried = skynet.queryservice(SERVICE_NAME)
      skynet.wakeup(told)
    end)
    skynet.yield()
    equal(queried, nil)
    equal(skynet.call(".service", "lua", "LIST")[SERVICE_NAME] == skynet.address(first), false)
    local second = skynet.uniqueservice(SERVICE_NAME, "helper")
    while not queried do
      skynet.wait(told)
    end
    equal(queried, second)
    skynet.kill(second)
  end)

  test("a handler of errors hears of addresses that are lost, and answers still come", function()
    local lost = {}
    equal(type(skynet.dispatch "error"), "function")
    local function note(session, source)
      lost[#lost + 1] = session .. " " .. source
    end
    equal(type(skynet.dispatch("error", note)), "function")
    equal(skynet.dispatch "error", note)
    equal(type(skynet.dispatch("response", note)), "function")
    skynet.redirect(skynet.self(), 77, "error", 0, "")
    refuses("call failed", skynet.call, skynet.self(), "debug", "UNKNOWN")
    eventually(function()
      return lost[1]
    end)
    equal(table.concat(lost, ", "), "0 77")
    skynet.call(skynet.self(), "debug", "PING")
    equal(type(skynet.dispatch "debug"), "function")
  end)

  test("a service from a function that has exited can be made anew", function()
    local service = require "skynet.service"
    local function main()
      local own = require "skynet"
      own.dispatch("lua", own.exit)
    end
    local first = service.new("deaths", main)
    refuses("it exited", skynet.call, first, "lua")
    equal(service.close "deaths", false)
    local second = service.new("deaths", main)
    assert(first ~= second)
    equal(service.query "deaths", second)
    equal(service.close "deaths", true)
    equal(skynet.send(second, "lua"), nil)
  end)

  test("raw messages to who has ended are refused and freed", function()
    local s = helper()
    skynet.kill(s)
    equal(skynet.rawsend(s, "lua", skynet.pack "last_line"), nil)
    equal(skynet.redirect(s, skynet.self(), "lua", 0, skynet.pack "last_line"), nil)
    equal(skynet.redirect(s, skynet.self(), "lua", skynet.genid(), skynet.pack "last_line"), nil)
    equal(skynet.redirect(s, skynet.self(), "error", 1, ""), nil)
    refuses("it was killed", skynet.rawcall, s, "lua", skynet.pack "last_line")
    equal(skynet.messages(), 0)
  end)

  test("an answer to a caller that has ended tells so", function()
    local asked = helper()
    local caller = helper()
    skynet.send(caller, "lua", "ask", asked, skynet.self())
    equal(wait_for "asked", caller)
    skynet.kill(caller)
    skynet.send(asked, "lua", "go_on")
    equal(wait_for "answered", false)
    skynet.kill(asked)
  end)

  test("a request to a snax service that is killed fails, and so does the next", function()
    local snax = require "skynet.snax"
    local s = snax.newservice "skynet/counting"
    local err
    skynet.fork(function()
      err = select(2, pcall(s.req.hang))
      skynet.wakeup(told)
    end)
    skynet.yield()
    equal(s.req.hangs(), 1)
    skynet.kill(s.handle)
    while not err do
      skynet.wait(told)
    end
    match(err, "it was killed")
    refuses("it was killed", s.req.value)
    s.post.add(1)
    local unique = snax.uniqueservice("skynet/counting", 1)
    skynet.kill(unique.handle)
    local again = snax.uniqueservice("skynet/counting", 2)
    assert(again.handle ~= unique.handle)
    equal(again.req.value(), 2)
    snax.kill(again)
  end)

  test("a name that died with its owner is waited for", function()
    local harbor = require "skynet.harbor"
    local owner = helper()
    harbor.globalname("DEATHS", owner)
    equal(harbor.queryname "DEATHS", owner)
    skynet.kill(owner)
    local found
    skynet.fork(function()
      found = harbor.queryname "DEATHS"
      skynet.wakeup(told)
    end)
    skynet.yield()
    equal(found, nil)
    local next_owner = helper()
    harbor.globalname("DEATHS", next_owner)
    while not found do
      skynet.wait(told)
    end
    equal(found, next_owner)
    skynet.kill(next_owner)
  end)

  test("who waits for a name is told when its keeper ends, and can ask the next one", function()
    local harbor = require "skynet.harbor"
    local err, found
    skynet.fork(function()
      err = select(2, pcall(harbor.queryname, "NOBODY_YET"))
      skynet.wakeup(told)
    end)
    skynet.call(".cslave", "debug", "PING")
    skynet.kill ".cslave"
    while not err do
      skynet.wait(told)
    end
    match(err, "it was killed")
    skynet.fork(function()
      found = harbor.queryname "NOBODY_YET"
      skynet.wakeup(told)
    end)
    skynet.call(".cslave", "debug", "PING")
    harbor.globalname "NOBODY_YET"
    while not found do
      skynet.wait(told)
    end
    equal(found, skynet.self())
  end)

  test("services of the host that were killed begin anew when somebody asks for them", function()
    local own = { ".launcher", ".service", "hive.provider", "hive.sharedata", "DATACENTER" }
    for _, name in ipairs(own) do
      skynet.call(name, "debug", "PING")
      skynet.kill(name)
      equal(skynet.call(name, "debug", "PING"), nil)
    end
    match(skynet.call(".launcher", "lua", "LIST")[skynet.address(skynet.self())], "^snlua ")
  end)

  test("a monitor that ends is told of nothing, and another may take its place", function()
    local first = skynet.monitor "skynet/watcher"
    skynet.kill(first)
    skynet.kill(helper())
    local second = skynet.monitor "skynet/watcher"
    assert(first ~= second)
    local victim = helper()
    skynet.kill(victim)
    eventually(function()
      return skynet.call(second, "lua", victim)
    end)
    skynet.kill(second)
  end)

  test("there is a logger, whoever takes the log", function()
    local own = skynet.localname ".logger"
    equal(math.type(own), "integer")
    skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring }
    equal(skynet.send(".logger", "text", "a line that only the host's log shows"), 0)
    local logger = helper()
    skynet.call(logger, "lua", "take_log")
    equal(skynet.localname ".logger", logger)
    skynet.error "to the service"
    eventually(function()
      return skynet.call(logger, "lua", "last_line") == "to the service"
    end)
    skynet.error()
    eventually(function()
      return skynet.call(logger, "lua", "last_line") == "nil"
    end)
    skynet.kill(logger)
    skynet.error "to the host's log"
    local again = skynet.localname ".logger"
    assert(again ~= logger and again ~= own)
    equal(skynet.send(again, "text", "it takes lines"), 0)
  end)

  check.done()
  skynet.abort()
end)
