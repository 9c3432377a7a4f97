-- Callees that run out of memory or time, are mended, reloaded, killed and left alone, all at once
-- and by a plan: every call ends once, nothing is left behind, and the others answer all the while.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local equal, test = check.equal, check.test
local mode, seed = ...

-- Drivers, callees of each, and rounds of each: in a round every callee is asked, and one suffers.
local DRIVERS, CALLEES, ROUNDS = 4, 6, 30
-- Memory of a callee, and how much one asks for that runs out of it.
local MEMORY, TOO_MUCH = 2 << 20, 4 << 20
local WAIT_SECONDS = 0.005

if mode == "callee" then
  local version = 1
  local command = {}

  function command.version()
    skynet.retpack(version)
  end

  function command.grow()
    skynet.retpack(#("x"):rep(TOO_MUCH))
  end

  function command.fill()
    local list = {}
    for i = 1, TOO_MUCH do
      list[i] = { i }
    end
    skynet.retpack(#list)
  end

  function command.hang()
    skynet.wait()
  end

  function command.late()
    skynet.sleep(1)
    skynet.retpack(version)
  end

  function command.respond()
    local respond = skynet.response()
    skynet.timeout(1, function()
      respond(true, version)
    end)
  end

  function command.fail()
    error "expected by the test"
  end

  function command.exit()
    skynet.exit()
  end

  skynet.memlimit(MEMORY)
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, name)
      command[name]()
    end)
  end)
  return
end

local names = { "version", "grow", "fill", "hang", "late", "respond", "fail", "exit", "version" }

-- A patch as hot fixes bring it.
local PATCH = [[
  local command = _P.lua.command
  function command.version()
    require("skynet").retpack "mended"
  end
]]

local function callee()
  return skynet.newservice(SERVICE_NAME, "callee")
end

-- What one round may do to a callee; returns the one that is in its place from then on.
local sufferings = {
  function(victim)
    skynet.kill(victim)
    return callee()
  end,
  function(victim)
    pcall(skynet.call, victim, "debug", "RUN", PATCH)
    return victim
  end,
  function(victim)
    skynet.cache.clear()
    skynet.kill(victim)
    return callee()
  end,
  function(victim)
    pcall(skynet.call, victim, "debug", "EXIT")
    return callee()
  end,
  function(victim)
    pcall(skynet.call, victim, "debug", "GC")
    return victim
  end,
}

-- Drives its callees through the plan of a seed; returns what has happened to each call.
local function drive()
  local timeout = require("hive").timeout
  local random = math.random
  math.randomseed(seed)
  local callees, ends, begun, ended, answered = {}, {}, 0, 0, 0
  for i = 1, CALLEES do
    callees[i] = callee()
  end
  for _ = 1, ROUNDS do
    for i = 1, CALLEES do
      begun = begun + 1
      local number, target, name = begun, callees[i], names[random(#names)]
      local deadline = random(2) == 1 or name == "hang"
      skynet.fork(function()
        local ok
        if deadline then
          ok = pcall(timeout, WAIT_SECONDS, skynet.call, target, "lua", name)
        else
          ok = pcall(skynet.call, target, "lua", name)
        end
        ends[number], ended = (ends[number] or 0) + 1, ended + 1
        answered = answered + (ok and 1 or 0)
        skynet.wakeup(ends)
      end)
    end
    skynet.yield()
    local place = random(CALLEES)
    callees[place] = sufferings[random(#sufferings)](callees[place])
  end
  for i = 1, CALLEES do
    skynet.kill(callees[i])
  end
  while ended < begun do
    skynet.wait(ends)
  end
  local most = 0
  for number = 1, begun do
    most = math.max(most, ends[number] or math.huge)
  end
  return begun, ended, most, answered
end

if mode == "driver" then
  skynet.start(function()
    skynet.dispatch("lua", function()
      local begun, ended, most, answered = drive()
      -- The task that serves this request runs, so no other is left.
      skynet.retpack(begun, ended, most, answered, skynet.task(), skynet.messages())
    end)
  end)
  return
end

skynet.start(function()
  test("every call ends once in a storm of failures, and nothing is left behind", function()
    local bystander = skynet.newservice(SERVICE_NAME, "callee")
    local requests = skynet.request()
    for i = 1, DRIVERS do
      requests:add { skynet.newservice(SERVICE_NAME, "driver", i), "lua" }
    end
    local is_over, asked = false, 0
    skynet.fork(function()
      while not is_over do
        equal(skynet.call(bystander, "lua", "version"), 1)
        asked = asked + 1
        skynet.sleep(1)
      end
    end)
    local drivers = 0
    for request, response in requests:select() do
      local begun, ended, most, answered, tasks, messages =
        table.unpack(assert(response, request.error))
      equal(begun, CALLEES * ROUNDS)
      equal(ended, begun)
      equal(most, 1)
      assert(answered > 0 and answered < begun)
      equal(tasks, 0)
      equal(messages, 0)
      skynet.kill(request[1])
      drivers = drivers + 1
    end
    is_over = true
    equal(drivers, DRIVERS)
    assert(asked > 0)
    skynet.kill(bystander)
    for _, launched in pairs(skynet.call(".launcher", "lua", "LIST")) do
      assert(not launched:find "callee" and not launched:find "driver", launched)
    end
  end)

  check.done()
  skynet.abort()
end)
