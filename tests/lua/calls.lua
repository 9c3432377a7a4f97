-- Calls and messages between services: values, errors, order, deferred answers.

local check = require "check"
local hive = require "hive"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test
local echo = hive.spawn "service.echo"

test("a call returns what the handler returns", function()
  local a, b, c, d = echo:echo(1, "two", nil, 4.5)
  equal(a, 1)
  equal(b, "two")
  equal(c, nil)
  equal(d, 4.5)
  equal(select("#", echo:echo(nil, nil)), 2)
  equal(select("#", echo:echo()), 0)
end)

test("a service may call in its first turn, which is that of its file", function()
  for _ = 1, 20 do
    local service = hive.spawn("service.calling_first", echo)
    equal(service:answer(), "answered")
    hive.kill(service)
  end
end)

test("hive.call and the method form are the same", function()
  equal(hive.call(echo, "echo", 7), 7)
  equal(echo.echo(echo, 7), 7)
end)

test("tables arrive as copies", function()
  local sent = { list = { 1, 2, 3 }, name = "x" }
  local got = echo:echo(sent)
  equal(got.list[3], 3)
  equal(got.name, "x")
  equal(got == sent, false)
end)

test("a service travels in a message and stays the same value", function()
  local got = echo:echo(echo, { echo })
  equal(got, echo)
  equal(({ [got] = true })[echo], true)
  match(tostring(got), "^service%.echo:%x+$")
end)

test("the callee knows its caller", function()
  equal(echo:caller(), hive.self())
  local caller, done = "unset", {}
  hive.fork(function()
    caller = hive.caller()
    hive.wakeup(done)
  end)
  hive.wait(done)
  equal(caller, nil)
end)

test("a service can call itself through another", function()
  equal(echo:ask(echo, "echo", "again"), "again")
end)

test("an error of the handler reaches the caller with both tracebacks", function()
  local err = fails("error", echo.fail, echo, "boom")
  equal(err.message, "boom")
  equal(tostring(err), "boom")
  match(err.traceback, "echo.lua")
  match(err.traceback, "called by service calls:")
  match(err.traceback, "calls.lua")
end)

test("a handler that closes its own coroutine fails its call alone", function()
  match(fails("error", echo.close_itself, echo).message, "closed its own coroutine")
  hive.send(echo, "close_itself")
  equal(echo:echo(1), 1)
end)

test("an error with a code of the program's own keeps it", function()
  local err = fails("insolvent", echo.raise, echo, "insolvent", "no money")
  equal(err.message, "no money")
end)

test("a failure of a deeper call is an error of the callee, with its cause", function()
  local dead = hive.spawn "service.echo"
  hive.kill(dead)
  local err = fails("error", echo.call_dead, echo, dead)
  equal(err.cause, "dead")
  err = fails("error", echo.fail_deep, echo, echo)
  equal(err.message, "deep")
end)

test("a method that is not served is refused by name", function()
  local err = fails("no_handler", echo.nothing, echo)
  match(err.message, "service service%.echo:%x+ has no handler `nothing`")
end)

test("a handler that was replaced serves the next request", function()
  local renewed = hive.spawn "service.renewed"
  local function answers(expected)
    for i = 1, 3 do
      local which, value = renewed:answer(i)
      equal(which, expected)
      equal(value, i)
    end
    local which, value = renewed:answer { "a table" }
    equal(which, expected)
    equal(value[1], "a table")
  end
  answers "first"
  renewed:step(1)
  answers "second"
  renewed:step(2)
  fails("no_handler", renewed.answer, renewed, 1)
  renewed:step(3)
  answers "inherited"
  renewed:step(4)
  answers "third"
end)

test("more methods than a service remembers are all served", function()
  for round = 1, 30 do
    for i = 1, 12 do
      equal(echo[("method_%d"):format(i)](echo, round), i * round)
    end
  end
end)

test("reserved names cannot be called", function()
  fails("no_handler", hive.call, echo, "__exit")
end)

test("what cannot be sent is refused with the path to it", function()
  local err = fails("argument", echo.echo, echo, 1, { cb = print })
  match(err.message, "args%[2%]%.cb: cannot send a function")
  match(err.message, "hint:")
  err = fails("error", echo.answer_function, echo)
  match(err.message, "results%[1%]: cannot send a function")
end)

test("messages of one sender arrive in order", function()
  for i = 1, 500 do
    hive.send(echo, "note", i)
  end
  local seen = echo:seen()
  equal(#seen, 500)
  for i = 1, 500 do
    equal(seen[i], i)
  end
end)

test("a call comes after all that its caller has sent before", function()
  local peers = {}
  for i = 1, 8 do
    peers[i] = hive.spawn "service.echo"
  end
  local left, done = #peers, {}
  for _, peer in ipairs(peers) do
    hive.fork(function()
      for sent = 1, 200 do
        hive.send(peer, "note", sent)
        local seen = peer:seen()
        equal(#seen, 1)
        equal(seen[1], sent)
      end
      left = left - 1
      if left == 0 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
end)

test("a waiting handler lets others be served meanwhile", function()
  local order = {}
  local done = {}
  hive.fork(function()
    local result = echo:sleep(0.02)
    order[#order + 1] = result
    hive.wakeup(done)
  end)
  hive.fork(function()
    local result = echo:echo "quick"
    order[#order + 1] = result
  end)
  hive.wait(done)
  equal(table.concat(order, " "), "quick slept")
end)

test("a deferred answer may come later", function()
  local result
  local task_done = {}
  hive.fork(function()
    result = table.pack(echo:hold())
    hive.wakeup(task_done)
  end)
  hive.sleep(0.01)
  equal(result, nil)
  equal(echo:release("late", 2), true)
  if result == nil then
    hive.wait(task_done)
  end
  equal(result[1], "late")
  equal(result.n, 2)
  equal(echo:release "again", false)
end)

-- A call whose answer the callee holds back, and a function that waits for its outcome.
local function held_call()
  local outcome = {}
  hive.fork(function()
    outcome.ok, outcome.err = pcall(echo.hold, echo)
    hive.wakeup(outcome)
  end)
  hive.sleep(0.01)
  return function()
    if outcome.ok == nil then
      hive.wait(outcome)
    end
    equal(outcome.ok, false)
    return outcome.err
  end
end

test("a deferred answer may be an error", function()
  local outcome = held_call()
  equal(echo:fail_held { code = "closed", message = "shop is closed" }, true)
  equal(outcome().code, "closed")
  outcome = held_call()
  echo:fail_held "no"
  local err = outcome()
  equal(err.code, "error")
  equal(err.message, "no")
end)

test("a deferred answer that is dropped tells the caller", function()
  local outcome = held_call()
  echo:drop()
  local err = outcome()
  equal(err.code, "dead")
  match(err.message, "dropped")
end)

test("a deferred answer that is dropped tells the caller though the service rests", function()
  local err = fails("dead", echo.forget, echo)
  match(err.message, "dropped")
end)

test("there is nothing to defer outside of a request", function()
  fails("argument", hive.defer)
end)

test("calls work inside coroutines of the program", function()
  local each = coroutine.wrap(function()
    for i = 1, 3 do
      coroutine.yield(echo:echo(i * 10))
    end
  end)
  equal(each(), 10)
  equal(each(), 20)
  equal(each(), 30)
end)

test("a call where nothing can wait says so", function()
  local list = { 3, 1, 2 }
  refuses("hive.call cannot wait here", table.sort, list, function()
    return echo:echo(true)
  end)
end)

test("arguments are checked", function()
  refuses("service or name expected, got nil", hive.call, nil, "x")
  refuses("method name expected, got no value", hive.call, echo)
  refuses("method name expected, got table", hive.send, echo, {})
  refuses("unknown option 'timout'", hive.call, { echo, timout = 1 }, "echo")
  refuses("field 'timeout' is not a number", hive.call, { echo, timeout = {} }, "echo")
  refuses("got %-1", hive.call, { echo, timeout = -1 }, "echo")
  refuses("service expected", echo.echo, 5)
end)

test("many calls may be under way at once", function()
  local left, done, sum = 200, {}, 0
  for i = 1, 200 do
    hive.fork(function()
      local answer = echo:echo(i)
      sum = sum + answer
      left = left - 1
      if left == 0 then
        hive.wakeup(done)
      end
    end)
  end
  hive.wait(done)
  equal(sum, 20100)
end)

hive.kill(echo)
test("a file that calls its own service is told that it has no handlers yet", function()
  local _, err = pcall(hive.spawn, "service.calls_itself")
  equal(err.cause, "no_handler")
  match(err.message, "before its file has returned handlers")
end)

test("a message that does not fit into the memory of a service is refused", function()
  local small = hive.spawn { "service.echo", memory_limit = 1 << 20 }
  fails("memory", small.echo, small, ("x"):rep(2 << 20))
  equal(small:echo "x", "x")
  hive.kill(small)
end)

test(
  "data that nobody has looked into is sent whole, or not at all where memory does not hold it",
  function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("return {", ("{" .. ("nil,"):rep(1000) .. "1},"):rep(900), "}")
    file:close()
    assert(loadfile(path)) -- compiled here: a small service could not
    local target = hive.spawn "service.echo"
    local small = hive.spawn { "service.echo", memory_limit = 4 << 20 }
    local sent, sending, called, calling, after = small:send_data(path, target)
    equal(sent, false)
    match(sending, "%[1%]%[%d+%]: not enough memory to read this table")
    equal(called, false)
    match(calling, "not enough memory to read this table")
    equal(after, "after")
    equal(#target:seen(), 0)
    local large = hive.spawn "service.echo"
    sent, sending, called, calling, after = large:send_data(path, target)
    equal(sent, true)
    equal(sending, "nil")
    equal(called, true)
    match(calling, "^table: ")
    equal(after, "after")
    equal(#target:seen()[1], 900)
    hive.kill(small)
    hive.kill(large)
    hive.kill(target)
    os.remove(path)
  end
)

test("an answer that does not fit into the memory of the caller is an error of the call", function()
  local small = hive.spawn { "service.echo", memory_limit = 1 << 20 }
  local large = hive.spawn "service.echo"
  local _, err = pcall(small.ask_for_size, small, large, 2 << 20)
  equal(err.code, "memory")
  match(err.message, "has no memory for a message of 2097")
  equal(small:echo "x", "x")
  hive.kill(small)
end)

test("large strings go through many hands and stay what they are", function()
  local hands = {}
  for i = 1, 4 do
    hands[i] = hive.spawn { "service.echo", memory_limit = 4 << 20 }
  end
  for _, text in ipairs { ("ab"):rep(1 << 19), ("x"):rep(1 << 19) .. ("y"):rep(1 << 19) } do
    for _ = 1, 25 do
      local whole, list = text, { text, name = text:sub(1, 20000) }
      for _, service in ipairs(hands) do
        whole, list = service:echo(whole, list)
      end
      equal(whole == text, true)
      equal(list[1] == text, true)
      equal(list.name == text:sub(1, 20000), true)
    end
  end
  for _, service in ipairs(hands) do
    hive.kill(service)
  end
end)

test("a service that keeps large strings is charged for each, whoever else has them", function()
  local text = ("x"):rep(1 << 20)
  local keeper = hive.spawn { "service.echo", memory_limit = 4 << 20 }
  local kept = 0
  while kept < 10 and pcall(keeper.note, keeper, text) do
    kept = kept + 1
  end
  equal(kept, 3)
  equal(keeper:memory() > 3 * 1024, true)
  equal(#keeper:seen(), 3)
  equal(keeper:echo(text) == text, true)
  hive.kill(keeper)
end)

check.done()
