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

  skynet.kill(early)
  check.done()
  skynet.abort()
end)
