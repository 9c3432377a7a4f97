-- Critical sections: one task at a time, in order, whatever happens inside.

local check = require "check"
local hive = require "hive"
local latch = require "latch"

local equal, fails, test = check.equal, check.fails, check.test

-- Runs each function in a task of its own and waits until all have ended.
local function all(...)
  local tasks = latch.new(select("#", ...))
  for _, f in ipairs { ... } do
    hive.fork(function()
      pcall(f)
      tasks:done()
    end)
  end
  assert(tasks:wait(10), "a task hangs")
end

test("one task at a time is inside, in the order in which they came", function()
  local queue, order, inside = hive.queue(), {}, 0
  local function enter(name)
    return function()
      queue(function()
        inside = inside + 1
        equal(inside, 1)
        hive.sleep(0.002)
        order[#order + 1] = name
        inside = inside - 1
      end)
    end
  end
  all(enter "a", enter "b", enter "c", enter "d")
  equal(table.concat(order), "abcd")
end)

test("arguments and results pass through", function()
  local queue = hive.queue()
  local a, b, c = queue(function(...)
    return select("#", ...), ...
  end, nil, "x")
  equal(a, 2)
  equal(b, nil)
  equal(c, "x")
end)

test("a task that is inside may enter again", function()
  local queue, order = hive.queue(), {}
  all(function()
    queue(function()
      queue(function()
        hive.sleep(0.002)
        order[#order + 1] = "inner"
      end)
      hive.sleep(0.002)
      order[#order + 1] = "outer"
    end)
  end, function()
    queue(function()
      order[#order + 1] = "next"
    end)
  end)
  equal(table.concat(order, " "), "inner outer next")
end)

test("entering again works in coroutines of the task", function()
  local queue = hive.queue()
  local reached = queue(function()
    return coroutine.wrap(function()
      return queue(function()
        return "inside"
      end)
    end)()
  end)
  equal(reached, "inside")
end)

test("an error lets the next task in", function()
  local queue = hive.queue()
  local err = fails("mine", queue, function()
    error { code = "mine", message = "x" }
  end)
  equal(err.message, "x")
  equal(
    queue(function()
      return "free"
    end),
    "free"
  )
end)

test("a deadline that passes inside lets the next task in", function()
  local queue, order = hive.queue(), {}
  all(function()
    fails("timeout", hive.timeout, 0.01, queue, hive.sleep, 60)
  end, function()
    hive.timeout(5, queue, function()
      order[#order + 1] = "next"
    end)
  end)
  equal(order[1], "next")
end)

test("a task that gives up waiting is passed over", function()
  local queue, order = hive.queue(), {}
  local function note(name)
    return function()
      order[#order + 1] = name
    end
  end
  all(function()
    queue(hive.sleep, 0.03)
  end, function()
    fails("timeout", hive.timeout, 0.01, queue, note "late")
    order[#order + 1] = "gave up"
  end, function()
    queue(note "third")
  end, function()
    queue(note "fourth")
  end)
  equal(table.concat(order, ", "), "gave up, third, fourth")
end)

test("a task that is cancelled as it gets in hands the section on", function()
  local queue, entered = hive.queue(), {}
  local release = {}
  hive.fork(queue, hive.wait, release)
  hive.sleep(0)
  local doomed = hive.fork(queue, function()
    entered[#entered + 1] = "doomed"
  end)
  hive.sleep(0)
  hive.fork(queue, function()
    entered[#entered + 1] = "next"
  end)
  hive.sleep(0)
  -- The first one leaves and wakes the second, which is cancelled before it runs.
  hive.wakeup(release)
  hive.fork(doomed.cancel, doomed)
  hive.sleep(0.01)
  equal(entered[#entered], "next")
end)

test("a cancelled task leaves the section", function()
  local queue = hive.queue()
  local task = hive.fork(queue, hive.sleep, 60)
  hive.sleep(0)
  task:cancel()
  local free = hive.timeout(5, queue, function()
    return true
  end)
  equal(free, true)
end)

test("sections of different queues do not wait for each other", function()
  local one, other = hive.queue(), hive.queue()
  local reached
  all(function()
    one(hive.sleep, 0.02)
    equal(reached, true)
  end, function()
    other(function()
      reached = true
    end)
  end)
end)

check.done()
