-- Every call ends, whatever the callee does and whenever it is killed; nothing is left behind.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local mode = ...

-- What a callee may do with a request.
local outcomes = {
  function()
    skynet.retpack(1)
  end,
  function()
    error "expected by the test"
  end,
  function() end,
  function()
    skynet.sleep(1)
    skynet.retpack(1)
  end,
  function()
    local respond = skynet.response()
    skynet.timeout(1, function()
      respond(true, 1)
    end)
  end,
  function()
    skynet.response()
  end,
  function()
    skynet.ignoreret()
  end,
  function()
    skynet.wait()
  end,
}

if mode == "callee" then
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, outcome)
      outcomes[outcome]()
    end)
  end)
  return
end

local CALLEES, ROUNDS = 10, 60

skynet.start(function()
  check.test("every call is accounted for once", function()
    local begun, ended, callees = 0, 0, {}
    for i = 1, CALLEES do
      callees[i] = skynet.newservice(SERVICE_NAME, "callee")
    end
    math.randomseed(7)
    for _ = 1, ROUNDS do
      for i = 1, CALLEES do
        begun = begun + 1
        skynet.fork(function()
          pcall(skynet.call, callees[i], "lua", math.random(#outcomes))
          ended = ended + 1
        end)
      end
      skynet.yield()
      local victim = math.random(CALLEES)
      skynet.kill(callees[victim])
      callees[victim] = skynet.newservice(SERVICE_NAME, "callee")
    end
    for i = 1, CALLEES do
      skynet.kill(callees[i])
    end
    for _ = 1, 500 do
      if ended == begun then
        break
      end
      skynet.sleep(1)
    end
    check.equal(ended, begun)
    check.equal(skynet.task(), 0)
    check.equal(skynet.messages(), 0)
  end)

  check.done()
  skynet.abort()
end)
