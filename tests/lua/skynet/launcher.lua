-- The service `.launcher`, and what programs do to it while it runs.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

local function launcher(...)
  return skynet.call(".launcher", "lua", ...)
end

-- Runs code inside the launcher, which sees its commands as `command`.
local function inject(source)
  source = "local command = _P.lua.command\n" .. source
  local ok, output = skynet.call(".launcher", "debug", "RUN", source)
  assert(ok, output)
  return output
end

skynet.start(function()
  test("the launcher starts services in Lua and refuses others as skynet.launch does", function()
    for _, name in ipairs { "LAUNCH", "LOGLAUNCH" } do
      local err = refuses('cannot launch a "gate"', launcher, name, "gate", "skynet/life")
      match(err, "hint: services written in C have no place here")
      refuses("string expected, got no value", launcher, name)
      refuses("string expected, got no value", launcher, name, "snlua")
      refuses("string expected, got table", launcher, name, {}, "skynet/life")
      refuses("must not be empty", launcher, name, "snlua", "")
      refuses('cannot launch a ""', launcher, name, "", "skynet/life")
      refuses('cannot launch a "5"', launcher, name, 5, "skynet/life")
    end
    equal(select("#", skynet.launch("gate", "skynet/life")), 0)
    for _, launched in pairs(launcher "LIST") do
      equal(launched:find "life", nil)
    end
    local trimmed = launcher("LAUNCH", " snlua ", "skynet/life", "plain")
    equal(skynet.call(trimmed, "lua"), "plain")
    skynet.kill(trimmed)
    local s = launcher("LAUNCH", "snlua skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
  end)

  test("skynet.launch does not wait for the start function", function()
    local s = skynet.launch("snlua", "skynet/life", "slow")
    equal(math.type(s), "integer")
    equal(skynet.call(s, "lua"), "starting")
    skynet.kill(s)
    equal(math.type(skynet.launch("snlua skynet/fails fail")), "integer")
    refuses("no file", skynet.launch, "snlua", "there_is_no_such_service")
  end)

  test("a program may put one command of the launcher in the place of another", function()
    inject "command.OLD, command.LAUNCH = command.LAUNCH, command.LOGLAUNCH"
    local s = launcher("LAUNCH", "snlua", "skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
    s = launcher("LOGLAUNCH", "snlua", "skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
    inject "command.LAUNCH, command.OLD = command.OLD, nil"
    equal(launcher("OLD")[1], "Unknown command")
    s = launcher("LAUNCH", "snlua", "skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
  end)

  test("a replaced command changes what is sent to the launcher and nothing else", function()
    inject "command.OLD = command.LAUNCH"
    inject "command.LAUNCH = function(...) return select('#', ...) end"
    equal(launcher("LAUNCH", "snlua", "skynet/life", "plain"), 3)
    local s = skynet.newservice("skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
    s = skynet.launch("snlua", "skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
    inject "command.LAUNCH = function() error 'not today' end"
    refuses("not today", launcher, "LAUNCH", "snlua", "skynet/life", "plain")
    inject "command.LAUNCH, command.OLD = command.OLD, nil"
    s = launcher("LAUNCH", "snlua", "skynet/life", "plain")
    equal(skynet.call(s, "lua"), "plain")
    skynet.kill(s)
  end)

  test("code that fails inside the launcher leaves its commands as they are", function()
    local ok, output = skynet.call(".launcher", "debug", "RUN", "_P.lua.command.NOTHING()")
    equal(ok, false)
    match(output, "NOTHING")
    equal(type(launcher "LIST"), "table")
  end)

  check.done()
  skynet.abort()
end)
