-- Time in ticks: sleeps and timers stay in step with `skynet.now()`. A machine that is at work for
-- others may come late for one, so each test has several attempts.

local check = require "check"
local skynet = require "skynet"

local equal, test = check.equal, check.test

-- What `attempt` returns: `expected` as soon as it is that, else what it was last.
local function eventually(expected, attempt)
  local got
  for _ = 1, 8 do
    got = attempt()
    if got == expected then
      break
    end
  end
  return got
end

-- What loops that sleep so many ticks do when, by name: at each tick in the order in which they
-- fell asleep.
local function expected(periods, ticks)
  local due, order = {}, {}
  local function sleep(loop, tick)
    local at = tick + loop[2]
    due[at] = due[at] or {}
    table.insert(due[at], loop)
  end
  for _, loop in ipairs(periods) do
    sleep(loop, 0)
  end
  for tick = 1, ticks do
    for _, loop in ipairs(due[tick] or {}) do
      order[#order + 1] = loop[1]
      sleep(loop, tick)
    end
  end
  return table.concat(order, " ")
end

skynet.start(function()
  test("sleeps one after another take as many ticks as they say", function()
    local took = eventually(60, function()
      local begun = skynet.now()
      for _ = 1, 20 do
        skynet.sleep(3)
      end
      return skynet.now() - begun
    end)
    equal(took, 60)
  end)

  test("a sleep that begins late in its tick ends in time", function()
    local took = eventually("4 4 4 4 4 4", function()
      local all = {}
      for i = 1, 6 do
        local begun, until_ns = skynet.now(), skynet.hpc() + i * 1000000
        repeat
        until skynet.hpc() >= until_ns
        if skynet.now() == begun then
          skynet.sleep(4)
        else
          skynet.sleep(3)
        end
        all[i] = skynet.now() - begun
      end
      return table.concat(all, " ")
    end)
    equal(took, "4 4 4 4 4 4")
  end)

  test("timers of one tick fire in the order in which they were set", function()
    local periods = { { "a", 1 }, { "b", 3 }, { "c", 5 } }
    local wanted = expected(periods, 30)
    local seen = eventually(wanted, function()
      local order, ends = {}, skynet.now() + 30
      for _, loop in ipairs(periods) do
        local function again()
          if skynet.now() <= ends then
            order[#order + 1] = loop[1]
            skynet.timeout(loop[2], again)
          end
        end
        skynet.timeout(loop[2], again)
      end
      skynet.sleep(40)
      return table.concat(order, " ")
    end)
    equal(seen, wanted)
  end)

  test("the time is that of the system, to a tick", function()
    local same = eventually(true, function()
      return math.floor(skynet.time()) == os.time()
    end)
    equal(same, true)
    assert(skynet.time() > os.time() - 0.1, "it lags behind")
    equal(math.abs(skynet.starttime() + skynet.now() / 100 - skynet.time()) < 0.05, true)
    assert(skynet.now() >= 0)
  end)

  check.done()
  require("skynet.manager").abort()
end)
