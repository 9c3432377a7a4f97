-- snax services: their start, posts and requests, mending, and their end.

local check = require "check"
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
    equal(snax.globalservice(COUNTING).req.value(), 7)
    skynet.sleep(1)
    equal(queried.handle, s.handle)
    snax.kill(s)
  end)

  test("a service can be mended while it lives, and keeps its state", function()
    local s = snax.newservice(COUNTING, 1)
    local result = snax.hotfix(
      s,
      [[
        local n
        local note
        function accept.add(by)
          n = n + by * 10
          note "mended"
        end
        function response.twice()
          return n * 2
        end
        function hotfix(by)
          n = n + by
          return n
        end
      ]],
      1
    )
    equal(result, 2)
    s.post.add(1)
    equal(s.req.value(), 12)
    equal(s.req.twice(), 24)
    match(s.req.log(), "mended")
    refuses("hotfix of", snax.hotfix, s, "function accept.add(")
    equal(s.req.value(), 12)
    equal(snax.profile_info(s).value.count, 2)
    snax.kill(s)
  end)

  check.done()
  skynet.abort()
end)
