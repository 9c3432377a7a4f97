-- When a service of skynet counts as started, and what runs until then.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"
local eventually = require "skynet.eventually"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test
local mode = ...

local values_in_the_file = select("#", require "module.plain")
local order = {}

local function note(what)
  order[#order + 1] = what
end

-- Answers with what has run, once those that wait for `order` have gone on.
local function answer()
  skynet.dispatch("lua", function()
    skynet.wakeup(order)
    skynet.yield()
    skynet.retpack(table.concat(order, " "))
  end)
end

local course = {}

function course.late()
  skynet.timeout(1, function()
    note "timer"
    skynet.start(function()
      answer()
      skynet.sleep(1)
      note "start"
    end)
  end)
end

function course.late_in_a_fork()
  skynet.timeout(0, function()
    note "timer"
  end)
  skynet.fork(function()
    note "fork"
    skynet.start(answer)
  end)
end

function course.late_fails()
  skynet.fork(function()
    skynet.sleep(1)
    skynet.start(function()
      error "in the late start"
    end)
  end)
end

function course.never_exits()
  skynet.fork(function()
    skynet.sleep(1)
    skynet.exit()
  end)
end

function course.never()
  skynet.fork(function()
    skynet.sleep(1)
  end)
end

function course.twice()
  skynet.start(function()
    note "first"
    skynet.wait(order)
    note "end"
  end)
  skynet.start(function()
    answer()
    note "second"
  end)
end

function course.second_fails()
  skynet.start(answer)
  skynet.start(function()
    skynet.sleep(1)
    error "in the second start"
  end)
end

function course.init_service()
  skynet.init_service(function()
    answer()
    note "init_service"
    skynet.sleep(1)
    note "end"
  end)
end

function course.init_fails()
  skynet.init(function()
    error "in an init function"
  end)
  skynet.start(function()
    note "never"
  end)
end

function course.init_fails_later()
  skynet.start(function()
    skynet.dispatch("lua", function()
      local ok, err = pcall(require, "skynet.bad_init")
      skynet.retpack(ok, tostring(err), package.loaded["skynet.bad_init"] ~= nil)
    end)
  end)
end

-- Uses more than 32 MiB, and then more than twice as much.
function course.grows()
  local kept = {}
  skynet.start(function()
    skynet.dispatch("lua", function(_, _, mebibytes)
      for _ = 1, mebibytes do
        kept[#kept + 1] = ("x"):rep((1 << 20) + #kept)
      end
      -- What it keeps counts here, not what it has let go of.
      collectgarbage()
      skynet.retpack()
    end)
  end)
end

-- Answers how many messages it can send itself before one is refused, of so many. It has no
-- upvalues, so that it can be a service by itself.
function course.floods()
  local own = require "skynet"
  own.start(function()
    own.dispatch("lua", function(session, _, count, text)
      if session ~= 0 then
        local sent = 0
        while sent < count and pcall(own.send, own.self(), "lua", 0, text) do
          sent = sent + 1
        end
        own.retpack(sent)
      end
    end)
  end)
end

if mode then
  return course[mode]()
end

local function start(how)
  return skynet.newservice(SERVICE_NAME, how)
end

skynet.start(function()
  test("a start function that a task asks for later is waited for", function()
    local s = start "late"
    equal(skynet.call(s, "lua"), "timer start")
    skynet.kill(s)
    s = start "late_in_a_fork"
    equal(skynet.call(s, "lua"), "timer fork")
    skynet.kill(s)
    s = skynet.uniqueservice(SERVICE_NAME, "late")
    equal(skynet.call(s, "lua"), "timer start")
    skynet.kill(s)
  end)

  test("one that fails later is told to who wanted the service, which ends", function()
    local err = refuses("call failed.*in the late start", start, "late_fails")
    match(err, "stack traceback")
    eventually(function()
      for _, launched in pairs(skynet.call(".launcher", "lua", "LIST")) do
        if launched:find "late_fails" then
          return false
        end
      end
      return true
    end)
  end)

  test("a service that exits without ever having started has no address", function()
    equal(start "never_exits", nil)
  end)

  test("a service that ends without ever having started is told of when it has", function()
    local s = start "never"
    equal(math.type(s), "integer")
    eventually(function()
      return skynet.send(s, "lua") == nil
    end)
  end)

  test("of several start functions the first to end says that the service has started", function()
    local s = start "twice"
    equal(skynet.call(s, "lua"), "first second end")
    skynet.kill(s)
  end)

  test("a later start function that fails ends the service", function()
    local s = start "second_fails"
    refuses("in the second start", skynet.call, s, "debug", "LINK")
  end)

  test("init_service runs a start function", function()
    local s = start "init_service"
    equal(skynet.call(s, "lua"), "init_service end")
    skynet.kill(s)
  end)

  test("an init function that fails keeps the service from starting", function()
    local err = refuses("call failed.*in an init function", start, "init_fails")
    match(err, "stack traceback")
    match(err, "starts%.lua")
  end)

  test("an init function of a module that is loaded later fails its require", function()
    local s = start "init_fails_later"
    local ok, err, loaded = skynet.call(s, "lua")
    equal(ok, false)
    match(err, "in an init function of a module")
    equal(loaded, false)
    skynet.kill(s)
  end)

  test("a module that a task loads comes alone, so that it can be put into a list", function()
    local list = {}
    for _, name in ipairs { "module.shared", "module.silent", "skynet.mqueue" } do
      table.insert(list, require(name))
    end
    equal(#list, 3)
    equal(values_in_the_file, 2)
    package.preload["made here"] = function(...)
      return { ... }
    end
    local module, place = require "made here"
    equal(place, ":preload:")
    equal(module[2], place)
    equal(select("#", require "skynet.stm"), 2)
  end)

  test("a service without a name is refused", function()
    refuses("#1 to 'skynet[%w.]*%.newservice'.*must not be empty", skynet.newservice, "")
    refuses("must not be empty", skynet.newservice, "  \t")
    refuses("must not be empty", skynet.launch, "snlua", " ")
    refuses("must not be empty", skynet.uniqueservice, "")
  end)

  test("the module skynet.manager is the module skynet", function()
    equal(require "skynet.manager", skynet)
    equal(rawequal(require "skynet.manager", skynet), true)
  end)

  test("what needs sockets says so where a program meets it", function()
    refuses("module 'skynet.socket' not found:.*needs sockets", require, "skynet.socket")
    refuses("needs sockets", require, "http.httpc")
    refuses("call failed.*no file.*debugging commands", skynet.newservice, "debug_agent")
    refuses("needs sockets", skynet.newservice, "gate")
    refuses("one node", skynet.newservice, "cmaster")
    equal(select(2, pcall(skynet.newservice, "there_is_none")):find "sockets", nil)
  end)

  test("more messages than elsewhere wait for a service of skynet, however it began", function()
    local hive = require "hive"
    local count = 70000
    local services = {
      start "floods",
      hive.spawn("skynet/starts", "floods"),
      require("skynet.service").new("floods", course.floods),
    }
    for _, s in ipairs(services) do
      equal(skynet.call(s, "lua", count), count)
      skynet.kill(s)
    end
    local narrow = hive.spawn({ "skynet/starts", mailbox_limit = 100 }, "floods")
    equal(skynet.call(narrow, "lua", count), 100)
    skynet.kill(narrow)
    -- This service is the main one.
    skynet.dispatch("lua", function() end)
    for _ = 1, count do
      skynet.send(skynet.self(), "lua")
    end
    equal(skynet.mqlen(), count)
    skynet.yield()
    equal(skynet.mqlen(), 0)
  end)

  test("more bytes than elsewhere wait for a service of skynet, however it began", function()
    local hive = require "hive"
    local count, text = 20, ("x"):rep(8 << 20)
    local services = {
      start "floods",
      hive.spawn("skynet/starts", "floods"),
      require("skynet.service").new("floods", course.floods),
    }
    for _, s in ipairs(services) do
      equal(skynet.call(s, "lua", count, text), count)
      skynet.kill(s)
    end
    local narrow = hive.spawn({ "skynet/starts", mailbox_limit = 100 }, "floods")
    equal(skynet.call(narrow, "lua", count, text), 7)
    skynet.kill(narrow)
  end)

  test("a service that grows is told of at 32 MiB and at each doubling", function()
    local lines = {}
    skynet.register_protocol {
      name = "text",
      id = skynet.PTYPE_TEXT,
      unpack = skynet.tostring,
      dispatch = function(_, source, text)
        if text:find "memory" then
          lines[#lines + 1] = { source, text }
        end
      end,
    }
    skynet.register ".logger"
    local s = start "grows"
    skynet.call(s, "lua", 25)
    for expected = 1, 2 do
      skynet.call(s, "lua", 25)
      -- The turn ends behind the answer.
      eventually(function()
        return #lines == expected
      end)
    end
    local least = 32
    for _, line in ipairs(lines) do
      local used = line[2]:match "^memory warning: it uses ([%d.]+) MiB of Lua memory$"
      assert(tonumber(used) >= least, line[2])
      least = 2 * least
    end
    equal(lines[1][1], s)
    skynet.kill(s)
  end)

  check.done()
  skynet.abort()
end)
