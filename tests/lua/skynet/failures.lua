-- What fails inside the parts of skynet: the function behind INFO, the section of a queue, a limit
-- of memory.

local check = require "check"
local eventually = require "skynet.eventually"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local mode, target = ...

-- Answers what the function behind INFO is asked, in ways that fail.
if mode then
  local way = {}

  function way.raise(...)
    error(("no figures for %s"):format(table.concat({ ... }, " ")))
  end

  function way.raise_table()
    error { reason = "a table" }
  end

  function way.unsendable()
    return print
  end

  function way.ask(...)
    return skynet.call(target, "lua", ...)
  end

  skynet.info_func(function(name, ...)
    return way[name](...)
  end)
  skynet.dispatch("lua", function(_, _, ...)
    skynet.retpack(...)
  end)
  return skynet.start(function() end)
end

local function info(service, ...)
  return skynet.call(service, "debug", "INFO", ...)
end

-- Calls in a task of its own; returns a table in which the outcome will be.
local function outcome_of(f, ...)
  local outcome = {}
  skynet.fork(function(...)
    outcome.ok, outcome.value = pcall(f, ...)
  end, ...)
  return outcome
end

local function is_over(outcome)
  return outcome.ok ~= nil
end

skynet.start(function()
  test("an error of the function behind INFO is told to who asked", function()
    local s = skynet.newservice(SERVICE_NAME, "informs")
    local err = refuses("call failed.*no figures for a day", info, s, "raise", "a day")
    match(err, "failures%.lua:%d+:")
    match(err, "stack traceback")
    refuses("call failed", info, s, "raise_table")
    refuses("call failed.*function", info, s, "unsendable")
    equal(skynet.call(s, "lua", "it lives"), "it lives")
    equal(skynet.call(s, "debug", "PING"), nil)
    equal(skynet.call(s, "debug", "STAT").task, 0)
    skynet.kill(s)
  end)

  test("who asks for INFO is told when the service dies over it", function()
    local peer = skynet.newservice "skynet/peer"
    local s = skynet.newservice(SERVICE_NAME, "informs", peer)
    local outcome = outcome_of(info, s, "ask", "hang")
    eventually(function()
      return skynet.call(s, "debug", "STAT").task == 1
    end)
    skynet.kill(s)
    eventually(is_over, outcome)
    equal(outcome.ok, false)
    match(outcome.value, "call failed.*was killed")
    refuses("call to invalid address", info, s, "ask", "echo")
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
    skynet.kill(peer)
  end)

  test("INFO fails when somebody dies whom its function asks, and can be asked again", function()
    local peer = skynet.newservice "skynet/peer"
    local s = skynet.newservice(SERVICE_NAME, "informs", peer)
    equal(info(s, "ask", "echo", 1), 1)
    refuses("call failed.*it exited", info, s, "ask", "exit")
    refuses("call failed.*call to invalid address", info, s, "ask", "echo", 1)
    equal(skynet.call(s, "debug", "STAT").task, 0)
    skynet.kill(s)
  end)

  test("a queue goes on with the next when a service dies that is called inside", function()
    local enter, order = skynet.queue(), {}
    for _, way in ipairs { "killed", "exits" } do
      local peer = skynet.newservice "skynet/peer"
      local function section(name)
        skynet.call(peer, "lua", "echo", "it lives")
        order[#order + 1] = "in"
        return skynet.call(peer, "lua", name)
      end
      local first = outcome_of(enter, section, way == "exits" and "exit" or "hang")
      local second = outcome_of(enter, section, "echo")
      local third = outcome_of(enter, function()
        order[#order + 1] = "third"
        return "through"
      end)
      if way == "killed" then
        eventually(function()
          return order[1]
        end)
        equal(is_over(first) or is_over(second) or is_over(third), false)
        skynet.kill(peer)
      end
      eventually(is_over, third)
      equal(first.ok, false)
      match(first.value, "call failed.*" .. (way == "killed" and "was killed" or "it exited"))
      equal(second.ok, false)
      match(second.value, "call to invalid address")
      equal(third.value, "through")
      equal(table.concat(order, " "), "in third")
      order = {}
    end
    equal(enter(skynet.self), skynet.self())
  end)

  test("a limit of memory is a whole number of bytes", function()
    for _, wrong in ipairs { 0, -1, math.mininteger } do
      refuses("#1 to '.*memlimit' %(expected a number of bytes", skynet.memlimit, wrong)
    end
    refuses("no integer representation", skynet.memlimit, 1.5)
    refuses("no integer representation", skynet.memlimit, 1e300)
    refuses("number expected, got string", skynet.memlimit, "a lot")
    refuses("number expected, got table", skynet.memlimit, {})
    refuses("number expected, got no value", skynet.memlimit)
    -- None of them has set a limit.
    equal(#("x"):rep(64 << 20), 64 << 20)
  end)

  test("a service may limit its memory", function()
    local peer = skynet.newservice "skynet/peer"
    refuses("expected a number of bytes", skynet.call, peer, "lua", "grow", 0)
    refuses("not enough memory", skynet.call, peer, "lua", "grow", 1 << 20)
    equal(skynet.call(peer, "lua", "echo", "it lives"), "it lives")
    skynet.kill(peer)
  end)

  check.done()
  skynet.abort()
end)
