-- An answer is on its way at once, whatever its handler does after it.

local check = require "check"
local skynet = require "skynet"
require "skynet.manager"

local equal, test = check.equal, check.test

skynet.start(function()
  local early = skynet.newservice "skynet/early"
  for _, name in ipairs {
    "then_busy",
    "in_a_branch",
    "in_a_function",
    "before_closing",
    "under_pcall",
    "in_a_coroutine",
    "under_a_hook",
    "in_a_loop",
    "in_an_equation",
    "in_a_comparison",
    "in_a_comparison_that_waits",
    "in_a_concatenation",
    "while_closing",
    "while_closing_itself",
    "at_the_end",
    "as_a_tail_call",
    "with_a_value_behind",
  } do
    test("an answer comes at once: " .. name, function()
      for round = 1, 3 do
        local key = name .. round
        equal(skynet.call(early, "lua", name, key), key)
        skynet.setenv(key, "yes")
        equal(skynet.call(early, "lua", "seen", key), true)
      end
    end)
  end

  test("several answers of one turn go each to its caller, in order", function()
    local order, done = {}, 0
    for i = 1, 20 do
      skynet.fork(function()
        local key = skynet.call(early, "lua", "at_the_end", "several" .. i)
        order[#order + 1] = key
        done = done + 1
      end)
    end
    require "skynet.eventually"(function()
      return done == 20
    end)
    for i = 1, 20 do
      equal(order[i], "several" .. i)
    end
  end)

  test("an answer does not wait for the message that is read next", function()
    skynet.register_protocol {
      name = "slow",
      id = 50,
      pack = skynet.pack,
      unpack = skynet.unpack,
    }
    local reading = skynet.newservice "skynet/slow_reading"
    skynet.send(reading, "slow", "read")
    equal(skynet.call(reading, "lua", "answer"), "answer")
    skynet.setenv("read", "yes")
    equal(skynet.call(reading, "lua", "seen"), true)
    skynet.kill(reading)
  end)

  skynet.kill(early)
  check.done()
  skynet.abort()
end)
