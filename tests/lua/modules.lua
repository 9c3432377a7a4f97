-- `require`: modules that wait while they load, that fail, that require each other.

local check = require "check"
local hive = require "hive"

local equal, match, refuses, test = check.equal, check.match, check.refuses, check.test

test("a module is loaded once, with its name and place", function()
  local plain, place = require "module.plain"
  equal(plain.name, "module.plain")
  match(plain.place, "tests/lua/module/plain.lua$")
  equal(place, plain.place)
  equal(require "module.plain", plain)
  equal(package.loaded["module.plain"], plain)
  equal(select("#", require "module.plain"), 1)
end)

test("a module may wait and call others while it loads", function()
  equal(require("module.waiting").answer, 42)
end)

test("tasks that require one module at the same time share one load", function()
  local loads, done = {}, {}
  for i = 1, 5 do
    hive.fork(function()
      loads[i] = require "module.slow"
      if #loads == 5 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
  for i = 2, 5 do
    equal(loads[i], loads[1])
  end
  equal(loads[1].loads, 1)
end)

test("a load that fails is tried again by who waited for it", function()
  local messages, done = {}, {}
  for i = 1, 3 do
    hive.fork(function()
      local _, err = pcall(require, "module.failing")
      messages[i] = err
      if #messages == 3 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
  for i = 1, 3 do
    match(messages[i], "module/failing.lua:%d+: attempt " .. i)
  end
end)

test("a module that requires itself is an error", function()
  local message = refuses("requires itself while it is being loaded", require, "module.circle_a")
  match(message, "module 'module.circle_a'")
  equal(package.loaded["module.circle_a"], nil)
end)

test("a module without a value is true", function()
  equal(require "module.silent", true)
end)

test("a module that is not there is reported with the places that were tried", function()
  local message = refuses("module 'no.such' not found:", function()
    local _ = require "no.such"
  end)
  match(message, "\n\tno field package.preload%['no.such'%]\n\tno file '")
  match(message, "tests/lua/modules.lua:%d+: module")
  refuses("string expected, got nil", require, nil)
end)

test("searchers of the program are asked", function()
  table.insert(package.searchers, 2, function(name)
    if name == "made.up" then
      return function(...)
        return table.pack(...)
      end, "data"
    end
    return "no made up module"
  end)
  local made = require "made.up"
  equal(made[1], "made.up")
  equal(made[2], "data")
  table.remove(package.searchers, 2)
end)

test("a searcher may wait as well, and what it says is kept", function()
  table.insert(package.searchers, 1, function(name)
    hive.sleep(0.001)
    return name == "late" and function()
      return "found late"
    end or "no late module"
  end)
  equal(require "late", "found late")
  match(refuses("module 'later' not found:", require, "later"), "\n\tno late module\n\tno field")
  table.remove(package.searchers, 1)
end)

check.done()
