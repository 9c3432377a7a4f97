-- snax services: their start, posts and requests, mending, and their end.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
local snax = require "skynet.snax"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

local COUNTING = "skynet/counting"

skynet.start(function()
  test("a snax service is initialized, posted to and asked", function()
    local s = snax.newservice(COUNTING, 5, "more")
    s.post.add(2)
    s.post.add(3)
    local value, name = s.req.value()
    equal(value, 10)
    equal(name, COUNTING)
    equal(s.req.log(), "init with 1, added 2, added 3")
    match(tostring(s), "counting")
    equal(snax.bind(s.handle, COUNTING).req.value(), 10)
    snax.kill(s)
  end)

  test("what a service does not define is refused by name", function()
    local s = snax.newservice(COUNTING)
    refuses("has no response.nothing", function()
      return s.req.nothing
    end)
    refuses("has no accept.value", function()
      return s.post.value
    end)
    refuses("a failing response", s.req.fail)
    refuses("not found", snax.newservice, "skynet/no_such_service")
    snax.kill(s)
  end)

  test("an init that fails ends the service, and tells why", function()
    refuses("a failing init", snax.newservice, COUNTING, "fail")
  end)

  test("a killed service has run its exit and is gone", function()
    local s = snax.newservice(COUNTING)
    snax.kill(s, "reason")
    skynet.sleep(1)
    refuses("call to invalid address", s.req.value)
  end)

  test("a unique snax service is started once", function()
    local queried
    skynet.fork(function()
      queried = snax.queryservice(COUNTING)
    end)
    local s = snax.uniqueservice(COUNTING, 7)
    equal(snax.uniqueservice(COUNTING, 8).handle, s.handle)
    eventually(function()
      return queried
    end)
    equal(queried.handle, s.handle)
    local queried_globally
    skynet.fork(function()
      queried_globally = snax.queryglobal(COUNTING)
    end)
    local global = snax.globalservice(COUNTING, 9)
    equal(global.req.value(), 9)
    equal(s.req.value(), 7)
    eventually(function()
      return queried_globally
    end)
    equal(queried_globally.handle, global.handle)
    equal(
      skynet.call(".service", "lua", "LIST")["@snaxd." .. COUNTING],
      skynet.address(global.handle)
    )
    snax.kill(s)
    snax.kill(global)
  end)

  test("objects of one service are the same", function()
    local s = snax.newservice(COUNTING)
    equal(snax.bind(s.handle, COUNTING), s)
    refuses("bound to another type", snax.bind, s.handle, "skynet/other")
    local handle = snax.rawnewservice(COUNTING, 3)
    equal(snax.bind(handle, COUNTING).req.value(), 3)
    snax.kill(s)
    snax.kill(snax.bind(handle, COUNTING))
  end)

  test("an object does nothing before its service is initialized", function()
    local handle = skynet.newservice("snaxd", COUNTING)
    local s = snax.bind(handle, COUNTING)
    refuses("Init first", s.req.value)
    refuses("Never init", snax.kill, s)
    skynet.kill(handle)
  end)

  test("posts come in their order, and one that fails harms nothing", function()
    local s = snax.newservice(COUNTING)
    for i = 1, 50 do
      s.post.add(i)
    end
    s.post.add "not a number"
    s.post.add(0)
    equal(s.req.value(), 50 * 51 / 2)
    snax.kill(s)
    equal(select("#", s.post.add(1)), 0)
  end)

  test("a service knows itself and ends itself", function()
    local s = snax.newservice(COUNTING)
    equal(s.req.itself(), s.handle)
    s.post.leave "by itself"
    eventually(function()
      return not pcall(s.req.value)
    end)
  end)

  test("what a service file may not define is refused where it is read", function()
    refuses("accept.twice is defined twice", snax.interface, "skynet/bad_snax")
    equal(snax.interface(COUNTING).name, COUNTING)
    equal(rawget(_G, "accept"), nil)
  end)

  test("a message may name a method by its number", function()
    local s = snax.newservice(COUNTING, 1)
    local interface = snax.interface(COUNTING)
    skynet.send(s.handle, "snax", interface.accept.add, 4)
    equal(skynet.call(s.handle, "snax", interface.response.value), 5)
    equal(skynet.call(s.handle, "snax", interface.system.profile).value.count, 1)
    refuses("Already init", skynet.call, s.handle, "snax", interface.system.init)
    refuses("has no method 99", skynet.call, s.handle, "snax", 99)
    refuses("has no nothing.value", skynet.call, s.handle, "snax", "nothing", "value")
    refuses("has no system.nothing", skynet.call, s.handle, "snax", "system", "nothing")
    refuses("has no nil.nil", skynet.call, s.handle, "snax")
    skynet.call(s.handle, "snax", interface.system.exit, "reason")
    eventually(function()
      return not pcall(s.req.value)
    end)
  end)

  test("a service takes the same messages by another protocol", function()
    local s = snax.newservice(COUNTING, 4)
    s.req.enable()
    equal(skynet.call(s.handle, "lua", "response", "value"), 4)
    snax.kill(s)
  end)

  -- A service with some state, and how to look at it.
  local function with_service(body)
    local s = snax.newservice(COUNTING, 1)
    body(s)
    snax.kill(s)
  end

  test("a service can be mended while it lives, and keeps its state", function()
    with_service(function(s)
      local result, more = snax.hotfix(
        s,
        [[
          local n
          local note
          function accept.add(by)
            n = n + by * 10
            note "mended"
          end
          function hotfix(by)
            n = n + by
            return n, "more"
          end
        ]],
        1
      )
      equal(result, 2)
      equal(more, "more")
      s.post.add(1)
      equal(s.req.value(), 12)
      match(s.req.log(), "mended")
      equal(snax.profile_info(s).add.count, 1)
      equal(type(snax.profile_info(s).value.time), "number")
    end)
  end)

  test("what a fix declares with a value is its own", function()
    with_service(function(s)
      snax.hotfix(
        s,
        [[
          local n
          local log = { "new log" }
          local function note(text)
            log[#log + 1] = text
          end
          function accept.add(by)
            n = n - by
            note("taken " .. by)
          end
          function response.log()
            return table.concat(log, ", ")
          end
        ]]
      )
      s.post.add(5)
      equal(s.req.value(), -4)
      equal(s.req.log(), "new log, taken 5")
    end)
  end)

  test("a fix can be followed by another", function()
    with_service(function(s)
      for round = 1, 3 do
        snax.hotfix(s, ("local n; function accept.add(by) n = n + by * %d end"):format(round))
        s.post.add(100)
      end
      equal(s.req.value(), 601)
    end)
  end)

  test("a fix that does not fit changes nothing", function()
    with_service(function(s)
      local fix = "local n; function accept.add() n = 0 end "
      refuses("hotfix of", snax.hotfix, s, "function accept.add(")
      local unfit = fix .. "function response.twice() end"
      refuses("Patch mismatch response.twice", snax.hotfix, s, unfit)
      refuses("must be a function", snax.hotfix, s, fix .. "response.value = 1")
      refuses("by the fix", snax.hotfix, s, fix .. "error 'by the fix'")
      s.post.add(1)
      equal(s.req.value(), 2)
      refuses("in hotfix", snax.hotfix, s, "function hotfix() error 'in hotfix' end")
      equal(s.req.value(), 2)
    end)
  end)

  check.done()
  skynet.abort()
end)
