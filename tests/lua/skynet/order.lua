-- The order in which a service of skynet runs tasks, timers and messages.

local check = require "check"
local skynet = require "skynet"

local equal, test = check.equal, check.test

local order = {}

local function note(name)
  return function()
    order[#order + 1] = name
  end
end

-- What was noted since the last time.
local function noted()
  local text = table.concat(order, " ")
  order = {}
  return text
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name)
    note(name)()
  end)

  test("a yield lets the messages be handled that have come", function()
    skynet.send(skynet.self(), "lua", "first")
    skynet.send(skynet.self(), "lua", "second")
    equal(select("#", skynet.yield()), 0)
    equal(noted(), "first second")
    skynet.send(skynet.self(), "lua", "third")
    equal(skynet.sleep(0), nil)
    equal(noted(), "third")
  end)

  test("a timer without time takes its place among the messages", function()
    skynet.send(skynet.self(), "lua", "earlier")
    skynet.timeout(0, note "timer")
    skynet.send(skynet.self(), "lua", "later")
    skynet.fork(note "fork")
    skynet.yield()
    equal(noted(), "fork earlier timer later")
  end)

  test("a timer without time can be called off", function()
    local timer = skynet.timeout(0, note "never")
    equal(timer:cancel(), true)
    equal(timer:cancel(), false)
    local killed = skynet.timeout(0, note "never")
    equal(skynet.killthread(killed), killed)
    skynet.yield()
    equal(noted(), "")
  end)

  test("a sleep without time can be ended early", function()
    skynet.fork(function()
      note(skynet.sleep(0, "token") or "slept")()
    end)
    skynet.fork(function()
      equal(skynet.wakeup "token", true)
    end)
    skynet.yield()
    equal(noted(), "BREAK")
  end)

  test("timers that are due together run as they were armed, and forks between them", function()
    local main, count, numbers = coroutine.running(), 300, {}
    for number = 1, count do
      skynet.timeout(1, function()
        numbers[#numbers + 1] = number
        skynet.fork(function()
          numbers[#numbers + 1] = -number
          if number == count then
            skynet.wakeup(main)
          end
        end)
      end)
    end
    -- All of them are due before the first one runs.
    local begun = skynet.hpc()
    while skynet.hpc() - begun < 30000000 do
    end
    skynet.wait(main)
    equal(#numbers, 2 * count)
    for number = 1, count do
      equal(numbers[2 * number - 1], number)
      equal(numbers[2 * number], -number)
    end
  end)

  test("a timer calls those off that are due together with it", function()
    local main, timers, ran = coroutine.running(), {}, {}
    for number = 1, 100 do
      timers[number] = skynet.timeout(1, function()
        ran[#ran + 1] = number
        if number == 1 then
          for other = 2, 100, 2 do
            equal(timers[other]:cancel(), true)
          end
        end
        if number == 99 then
          skynet.wakeup(main)
        end
      end)
    end
    local begun = skynet.hpc()
    while skynet.hpc() - begun < 30000000 do
    end
    skynet.wait(main)
    equal(#ran, 50)
    for position, number in ipairs(ran) do
      equal(number, 2 * position - 1)
    end
  end)

  test("many timers without time keep their places among the messages", function()
    for number = 1, 40 do
      if number % 8 == 0 then
        skynet.send(skynet.self(), "lua", "message" .. number)
      else
        skynet.timeout(0, note(number))
      end
    end
    skynet.yield()
    local expected = {}
    for number = 1, 40 do
      expected[number] = (number % 8 == 0 and "message" or "") .. number
    end
    equal(noted(), table.concat(expected, " "))
  end)

  test("forks run before the next message, also those of forks", function()
    skynet.send(skynet.self(), "lua", "message")
    skynet.fork(function()
      note "fork"()
      skynet.fork(function()
        note "inner"()
        skynet.fork(note "innermost")
      end)
    end)
    skynet.yield()
    equal(noted(), "fork inner innermost message")
  end)

  test("who is woken goes on before forks, in the order of the wake-ups", function()
    for i = 1, 3 do
      skynet.fork(function()
        skynet.wait(i)
        note("woken" .. i)()
      end)
    end
    skynet.yield()
    skynet.fork(function()
      skynet.wakeup(2)
      skynet.wakeup(1)
      note "waker"()
    end)
    skynet.fork(function()
      note "fork"()
      skynet.wakeup(3)
    end)
    skynet.yield()
    equal(noted(), "waker woken2 woken1 fork woken3")
  end)

  test("tasks that never end do not keep messages away", function()
    local is_over = false
    local function again()
      if not is_over then
        skynet.fork(again)
      end
    end
    skynet.dispatch("lua", function()
      is_over = true
    end)
    skynet.fork(again)
    skynet.send(skynet.self(), "lua")
    skynet.yield()
    equal(is_over, true)
  end)

  test("who was woken by a task that fails waits for the next fork", function()
    local main = coroutine.running()
    local co = skynet.fork(function()
      skynet.wait()
      note "woken"()
    end)
    skynet.yield()
    skynet.fork(function()
      skynet.wakeup(co)
      error "expected by the test"
    end)
    skynet.fork(note "fork")
    skynet.fork(function()
      note "last"()
      skynet.wakeup(main)
    end)
    skynet.wait()
    equal(noted(), "fork woken last")
  end)

  -- Another worker may take a part of them, so there are several attempts.
  test("services that one turn wakes run in that order", function()
    local others = {}
    skynet.dispatch("lua", function(_, _, name)
      note(name)()
    end)
    for i = 1, 5 do
      others[i] = skynet.newservice "skynet/peer"
    end
    local function sent()
      for i, other in ipairs(others) do
        skynet.send(other, "lua", "tell", skynet.self(), i)
      end
    end
    local function called()
      for i, other in ipairs(others) do
        skynet.fork(function()
          skynet.call(other, "lua", "echo")
          note(i)()
        end)
      end
    end
    for _, begin in ipairs { sent, called } do
      local seen
      for _ = 1, 10 do
        skynet.sleep(2)
        noted()
        begin()
        repeat
          skynet.sleep(1)
        until #order == 5
        seen = noted()
        if seen == "1 2 3 4 5" then
          break
        end
      end
      equal(seen, "1 2 3 4 5")
    end
  end)

  test("a task that gives way again and again lets every message in", function()
    local hive = require "hive"
    local rounds, handled = 0, 0
    skynet.dispatch("lua", function()
      handled = handled + 1
    end)
    for _ = 1, 10 do
      skynet.send(skynet.self(), "lua")
    end
    while handled < 10 do
      rounds = rounds + 1
      hive.sleep(0)
    end
    assert(rounds <= 20, rounds)
  end)

  check.done()
  require("skynet.manager").abort()
end)
