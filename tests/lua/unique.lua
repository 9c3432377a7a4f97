-- Unique services: one for the whole host, whoever asks first and however many ask at once.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test

test("who asks again gets the same service", function()
  local one = hive.unique("service.echo", "ignored")
  equal(hive.unique "service.echo", one)
  equal(hive.find "service.echo", one)
  local asker = hive.spawn "service.asker"
  equal(asker:unique "service.echo", one)
end)

test("it may be given another name, and options", function()
  local one = hive.unique { "service.echo", register = "second", memory_limit = 1 << 20 }
  equal(hive.find "second", one)
  equal(one ~= hive.find "service.echo", true)
  equal(hive.unique { "service.echo", register = "second" }, one)
end)

test("those who ask at once share the one start", function()
  local before = hive.stats().spawned
  local askers, calls = {}, {}
  for i = 1, 5 do
    askers[i] = hive.spawn "service.asker"
    calls[i] = { askers[i], "unique", "service.waiting" }
  end
  local answers, errors = hive.gather(calls)
  equal(errors, nil)
  for i = 2, 5 do
    equal(answers[i][1], answers[1][1])
  end
  equal(hive.stats().spawned - before, 6)
end)

test("a failed start is told to all who wait for it, and the next one tries again", function()
  local calls = {}
  for i = 1, 3 do
    calls[i] = { hive.spawn "service.asker", "unique", "service.failing" }
  end
  local answers, errors = hive.gather(calls)
  equal(next(answers), nil)
  for i = 1, 3 do
    equal(errors[i].code, "error")
    match(errors[i].message, "cannot start today")
  end
  local err = fails("error", hive.unique, "service.failing")
  match(err.message, "cannot start today")
  match(err.traceback, "failing.lua")
end)

test("a service that cannot be found is reported as by hive.spawn", function()
  match(fails("not_found", hive.unique, "no.such.service").message, "no/such/service.lua")
end)

test("one that has ended is started again", function()
  local one = hive.unique "service.echo"
  local gone = {}
  hive.monitor(one, function()
    hive.wakeup(gone)
  end)
  hive.kill(one)
  hive.wait(gone)
  local two = hive.unique "service.echo"
  equal(two ~= one, true)
  equal(two:echo "alive", "alive")
end)

test("who waits no longer than it may does not harm the start", function()
  local started = hive.unique "service.echo"
  hive.kill(started)
  hive.sleep(0.01)
  fails("timeout", hive.timeout, 0.01, hive.unique, { "service.waiting", register = "slow" })
  equal(hive.unique({ "service.waiting", register = "slow" }):ready(), true)
end)

test("nothing is lost when the service behind it ends", function()
  local one = hive.unique "service.echo"
  hive.kill "hive.uniques"
  hive.sleep(0.01)
  equal(hive.unique "service.echo", one)
end)

test("arguments are checked", function()
  refuses("name of a service expected", hive.unique)
  refuses("name of a service expected", hive.unique, {})
end)

check.done()
