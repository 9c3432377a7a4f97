-- What `skynet.kill` has done when it returns, whatever the victim does meanwhile.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local mode, target = ...

if mode == "victim" then
  local command = {}

  function command.loop(source)
    skynet.send(source, "lua", "loops")
    while true do
    end
  end

  function command.hang()
    skynet.wait()
  end

  -- Has itself killed while it computes.
  function command.finish(source)
    skynet.send(source, "lua", "finishes", skynet.self())
    local deadline = os.clock() + 0.1
    repeat
    until os.clock() > deadline
    skynet.retpack "finished"
  end

  -- Tells what the service can still do once it has killed itself.
  function command.kill_own(source)
    skynet.kill(skynet.self())
    local sent = skynet.send(skynet.self(), "lua")
    local ok, err = pcall(skynet.call, skynet.self(), "lua")
    skynet.send(source, "lua", "killed", sent, ok, err, skynet.localname ".victim")
  end

  -- The same of the task that kills its service, which goes on in that way, and of the others.
  function command.kill_own_and(source, way)
    local function on_close(what)
      return setmetatable({}, {
        __close = function()
          skynet.send(source, "lua", "closes " .. what)
        end,
      })
    end
    skynet.fork(function()
      local _ <close> = on_close "others"
      skynet.wait()
    end)
    skynet.yield()
    local _ <close> = on_close "own"
    skynet.fork(skynet.send, source, "lua", "forks")
    skynet.kill(skynet.self())
    skynet.timeout(0, function()
      skynet.send(source, "lua", "times out")
    end)
    skynet.send(source, "lua", "goes on")
    if way == "wait" then
      skynet.yield()
      skynet.send(source, "lua", "goes further")
    elseif way == "raise" then
      error "expected by the test"
    end
    skynet.retpack "answered"
  end

  skynet.start(function()
    skynet.dispatch("lua", function(_, source, name, ...)
      command[name](source, ...)
    end)
  end)
  return
elseif mode == "slow" then
  skynet.send(target, "lua", "begins", skynet.self())
  local deadline = os.clock() + 0.1
  repeat
  until os.clock() > deadline
  skynet.start(function() end)
  return
elseif mode == "gated" then
  skynet.start(function()
    skynet.call(target, "lua", "gate")
  end)
  return
elseif mode == "killer" then
  -- Kills from another thread, as like as not, and tells what can be told at once.
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, victim)
      skynet.kill(victim)
      local sent = skynet.send(victim, "lua", "hang")
      skynet.retpack(sent, select(2, pcall(skynet.call, victim, "lua", "hang")))
    end)
  end)
  return
end

-- What others have sent to this service: name to the values behind it.
local told = {}

-- Those whose start waits at the gate.
local at_gate = {}

local function wait_for(what)
  while not told[what] do
    skynet.wait(told)
  end
  local values = told[what]
  told[what] = nil
  return table.unpack(values, 1, values.n)
end

local function start()
  return skynet.newservice(SERVICE_NAME, "victim")
end

-- Runs `f` in a task; what it returns is told under a name.
local function begin(name, f, ...)
  skynet.fork(function(...)
    told[name] = table.pack(pcall(f, ...))
    while skynet.wakeup(told) do
    end
  end, ...)
end

-- Makes sure that nobody finds a service any more.
local function is_gone(victim)
  equal(skynet.send(victim, "lua", "hang"), nil)
  local err = refuses("call to invalid address", skynet.call, victim, "lua", "hang")
  match(err, "it was killed")
  equal(skynet.rawsend(victim, "lua", skynet.pack "hang"), nil)
  equal(skynet.redirect(victim, 0, "lua", 0, skynet.pack "hang"), nil)
  equal(skynet.call(".launcher", "lua", "LIST")[skynet.address(victim)], nil)
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, what, ...)
    if what == "gate" then
      at_gate[#at_gate + 1] = skynet.response()
    else
      told[what] = table.pack(...)
    end
    while skynet.wakeup(told) do
    end
  end)

  test("who starts a service that is killed meanwhile is told", function()
    begin("start", skynet.newservice, SERVICE_NAME, "slow", skynet.self())
    local victim = wait_for "begins"
    skynet.kill(victim)
    local ok, err = wait_for "start"
    equal(ok, false)
    match(err, "it was killed")
  end)

  test("what runs when the kill comes is finished, and its answer arrives", function()
    local victim = start()
    begin("answer", skynet.call, victim, "lua", "finish", skynet.self())
    equal(wait_for "finishes", victim)
    skynet.kill(victim)
    is_gone(victim)
    local ok, answer = wait_for "answer"
    equal(ok, true)
    equal(answer, "finished")
  end)

  test("nobody finds a service that was killed at rest", function()
    for _ = 1, 50 do
      local victim = start()
      skynet.name(".victim", victim)
      skynet.kill(victim)
      equal(skynet.localname ".victim", nil)
      is_gone(victim)
    end
  end)

  test("nobody finds a service that was killed while it computes", function()
    for _ = 1, 5 do
      local victim = start()
      skynet.send(victim, "lua", "loop")
      wait_for "loops"
      skynet.name(".victim", victim)
      skynet.kill(victim)
      equal(skynet.localname ".victim", nil)
      is_gone(victim)
    end
  end)

  test("the thread that kills does not matter", function()
    local killer = skynet.newservice(SERVICE_NAME, "killer")
    for _ = 1, 50 do
      local victim = start()
      equal(skynet.send(victim, "lua", "hang"), 0)
      local sent, err = skynet.call(killer, "lua", victim)
      equal(sent, nil)
      match(err, "it was killed")
      is_gone(victim)
    end
    skynet.kill(killer)
  end)

  test("callers whose requests wait behind a computation are told at once", function()
    local victim, err = start(), nil
    skynet.send(victim, "lua", "loop")
    wait_for "loops"
    skynet.fork(function()
      err = select(2, pcall(skynet.call, victim, "lua", "hang"))
    end)
    skynet.yield()
    equal(err, nil)
    skynet.kill(victim)
    skynet.yield()
    match(err, "it was killed")
  end)

  test("a service that was killed is killed once", function()
    local victim = start()
    skynet.kill(victim)
    skynet.kill(victim)
    skynet.kill(".nobody")
    is_gone(victim)
  end)

  test("who kills itself is found by nobody, itself included", function()
    local victim = start()
    skynet.name(".victim", victim)
    skynet.send(victim, "lua", "kill_own")
    local sent, ok, err, named = wait_for "killed"
    equal(sent, nil)
    equal(ok, false)
    match(err, "it was killed")
    equal(named, nil)
    is_gone(victim)
  end)

  test("of a service that kills itself one task goes on, until it waits or ends", function()
    for way, expected in pairs {
      wait = { false, "it was killed", "goes on" },
      raise = { false, "expected by the test", "goes on", "closes own" },
      answer = { true, "^answered$", "goes on", "closes own" },
    } do
      local victim = start()
      begin("outcome", skynet.call, victim, "lua", "kill_own_and", way)
      local ok, result = wait_for "outcome"
      equal(ok, expected[1])
      match(result, expected[2])
      for i = 3, #expected do
        wait_for(expected[i])
      end
      is_gone(victim)
      skynet.yield()
      equal(next(told), nil)
    end
  end)

  test("a unique service that was killed is started anew by the next who asks", function()
    for _ = 1, 20 do
      local first = skynet.uniqueservice(SERVICE_NAME, "victim")
      skynet.kill(first)
      local second = skynet.uniqueservice(SERVICE_NAME, "victim")
      assert(first ~= second)
      equal(skynet.call(second, "debug", "PING"), nil)
      equal(skynet.queryservice(SERVICE_NAME), second)
      skynet.kill(second)
    end
  end)

  test("a service from a function that was killed is started anew", function()
    local service = require "skynet.service"
    local function main()
      require("skynet").dispatch("lua", function()
        require("skynet").retpack "here"
      end)
    end
    for _ = 1, 5 do
      local first = service.new("killed", main)
      skynet.kill(first)
      begin("queried", service.query, "killed")
      local second = service.new("killed", main)
      assert(first ~= second)
      equal(skynet.call(second, "lua"), "here")
      equal(select(2, wait_for "queried"), second)
      skynet.kill(second)
    end
  end)

  -- Waits until somebody stands at the gate; returns what opens it.
  local function at_the_gate()
    while #at_gate == 0 do
      skynet.wait(told)
    end
    return table.remove(at_gate)
  end

  local function gated()
    local list = {}
    for address, launched in pairs(skynet.call(".launcher", "lua", "LIST")) do
      if launched:find "gated" then
        list[#list + 1] = address
      end
    end
    return list
  end

  test("the start of a service that is killed fails", function()
    begin("start", skynet.newservice, SERVICE_NAME, "gated", skynet.self())
    at_the_gate()
    local list = gated()
    equal(#list, 1)
    skynet.kill(list[1])
    equal(#gated(), 0)
    local ok, err = wait_for "start"
    equal(ok, false)
    match(err, "call failed.*it was killed")
  end)

  local timeout = require("hive").timeout

  test("a service whose start takes longer than its spawner may wait is not left behind", function()
    refuses("deadline", timeout, 0.2, skynet.newservice, SERVICE_NAME, "gated", skynet.self())
    at_the_gate()
    equal(#gated(), 0)
  end)

  test("the deadline of one who wants a unique service is not that of the others", function()
    begin("hasty", timeout, 0.05, skynet.uniqueservice, SERVICE_NAME, "gated", skynet.self())
    skynet.yield()
    begin("patient", skynet.uniqueservice, SERVICE_NAME, "gated", skynet.self())
    begin("curious", skynet.queryservice, SERVICE_NAME)
    local open = at_the_gate()
    local ok, err = wait_for "hasty"
    equal(ok, false)
    match(err, "deadline")
    equal(told.patient, nil)
    equal(open(true), true)
    local started, address = wait_for "patient"
    equal(started, true)
    equal(select(2, wait_for "curious"), address)
    equal(skynet.uniqueservice(SERVICE_NAME), address)
    skynet.kill(address)
  end)

  test("nor is the deadline of one who wants a service from a function", function()
    local service = require "skynet.service"
    local function main(gate)
      require("skynet").call(gate, "lua", "gate")
    end
    begin("hasty", timeout, 0.05, service.new, "gated", main, skynet.self())
    skynet.yield()
    begin("patient", service.new, "gated", main, skynet.self())
    local open = at_the_gate()
    local ok, err = wait_for "hasty"
    equal(ok, false)
    match(err, "deadline")
    equal(told.patient, nil)
    equal(open(true), true)
    local started, address = wait_for "patient"
    equal(started, true)
    equal(service.query "gated", address)
    equal(service.close "gated", true)
  end)

  check.done()
  skynet.abort()
end)
