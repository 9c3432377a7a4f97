-- A service whose tasks make the calls of the plan and account for each of them exactly once.

local hive = require "hive"
local latch = require "latch"
local plan = require "chaos.plan"

-- How a call may end besides with its answer.
local EXPECTED = {
  planned = true,
  dead = true,
  timeout = true,
  cancelled = true,
  overload = true,
  memory = true,
  turn_limit = true,
}
-- Errors that a callee may have had with a callee of its own.
local EXPECTED_CAUSES = { dead = true, timeout = true, overload = true, not_found = true }
local WRONG_MAX = 20

-- Calls begun and ended, by outcome; `open` maps the calls under way to what they are.
local account = { begun = 0, ended = 0, outcomes = {}, wrong = {}, absent = 0 }
local open = {}

local function wrong(what, kind, found)
  if #account.wrong < WRONG_MAX then
    account.wrong[#account.wrong + 1] = ("%s: %s: %s"):format(what, kind, tostring(found))
  end
end

local function begin(call, kind)
  account.begun = account.begun + 1
  open[call] = kind
end

-- A call has ended: the first time is the only one.
local function finish(call, outcome)
  local kind = open[call]
  if not kind then
    return wrong("a call ended twice", outcome, call)
  end
  open[call] = nil
  account.ended = account.ended + 1
  account.outcomes[outcome] = (account.outcomes[outcome] or 0) + 1
end

local function is_expected(err)
  return EXPECTED[err.code] or err.code == "error" and EXPECTED_CAUSES[err.cause]
end

-- Looks at how a call ended.
local function judge(call, kind, id, ok, result)
  if ok and result == id then
    return finish(call, "answer")
  elseif ok then
    wrong("a wrong answer", kind, result)
  elseif type(result) ~= "table" or not is_expected(result) then
    wrong("an unexpected error", kind, result)
  end
  finish(call, ok and "wrong" or type(result) == "table" and result.code or "text")
end

-- Makes one call, within the time if there is one.
local function attempt(kind, id, seconds, service, method, ...)
  local call = {}
  begin(call, kind)
  local target = seconds and { service, timeout = seconds } or service
  judge(call, kind, id, pcall(hive.call, target, method, ...))
end

local kinds = {}

function kinds.echo(task, id, service, _, amount)
  attempt("echo", id, nil, service, "echo", task, id, ("x"):rep(amount))
end

function kinds.slow(task, id, service, _, amount)
  attempt("slow", id, nil, service, "slow", task, id, amount / 1e5)
end

function kinds.late(task, id, service, _, amount)
  attempt("late", id, amount / 2e5, service, "slow", task, id, amount / 1e5)
end

function kinds.fail(task, id, service)
  attempt("fail", id, nil, service, "fail", task, id)
end

function kinds.relay(task, id, service, other, amount)
  attempt("relay", id, nil, service, "relay", task, id, other, amount / 1e6)
end

function kinds.relay_late(task, id, service, other, amount)
  attempt("relay_late", id, amount / 2e5, service, "relay", task, id, other, amount / 1e5)
end

function kinds.drop(task, id, service)
  attempt("drop", id, nil, service, "drop", task, id)
end

function kinds.later(task, id, service, _, amount)
  attempt("later", id, nil, service, "later", task, id, amount / 1e5)
end

function kinds.die(_, id, service)
  attempt("die", id, nil, service, "die")
end

function kinds.bloat(task, id, service)
  attempt("bloat", id, nil, service, "bloat", task, id)
end

function kinds.send(_, _, service)
  local ok, err = pcall(hive.send, service, "note")
  if not ok and not is_expected(err) then
    wrong("an unexpected error", "send", err)
  end
end

-- A task that is cancelled in the middle of a call.
function kinds.cancel(task, id, service, _, amount)
  local done = {}
  local other = hive.fork(function()
    attempt("cancel", id, nil, service, "slow", task, id, amount / 1e5)
    hive.wakeup(done)
  end)
  hive.sleep(amount / 4e5)
  if other:cancel() then
    hive.sleep(0)
  end
end

local function some_calls(task, id, service, other, amount)
  local calls, keys = {}, {}
  for i = 1, 4 do
    local key = {}
    keys[i] = key
    begin(key, "several")
    local target, method = i % 2 == 0 and other or service, i == 3 and "relayed" or "slow"
    if method == "relayed" then
      calls[key] = { target, method, id, amount / 1e5 }
    else
      -- Of a task of its own, since these calls overtake each other.
      calls[key] = { target, method, task * 100000 + i, id, amount / 1e5 }
    end
  end
  return calls, keys
end

function kinds.select(task, id, service, other, amount)
  local calls, keys = some_calls(task, id, service, other, amount)
  local outcomes = 0
  for key, ok, result in hive.select(calls, amount / 1e5) do
    judge(key, "select", id, ok, result)
    outcomes = outcomes + 1
    if outcomes == 2 then
      break
    end
  end
  for _, key in ipairs(keys) do
    if open[key] then
      finish(key, "let go")
    end
  end
end

function kinds.gather(task, id, service, other, amount)
  local calls = some_calls(task, id, service, other, amount)
  local answers, errors = hive.gather(calls)
  for key, answer in pairs(answers) do
    judge(key, "gather", id, true, answer[1])
  end
  for key, err in pairs(errors or {}) do
    judge(key, "gather", id, false, err)
  end
end

local function drive(task, calls, deadline)
  local id = 0
  while hive.now() < deadline do
    local kind, target, other, amount = calls()
    local service, second = hive.find("slot-" .. target), hive.find("slot-" .. other)
    if service and second then
      id = id + 1
      kinds[kind](task, id, service, second, amount)
    else
      account.absent = account.absent + 1
      hive.sleep(0.001)
    end
  end
end

return {
  -- Lets tasks call for some seconds; the account when all have ended.
  run = function(first, tasks, seconds, services, seed)
    local deadline, drivers = hive.now() + seconds, latch.new(tasks)
    for task = first, first + tasks - 1 do
      hive.fork(function()
        local ok, err = pcall(drive, task, plan.calls(seed, task, services), deadline)
        if not ok then
          wrong("a task failed", task, err)
        end
        drivers:done()
      end)
    end
    drivers:wait()
    account.tasks = hive.stats().own_tasks
    return account
  end,

  -- What hangs, if anything does.
  open = function()
    local list = {}
    for _, kind in pairs(open) do
      list[#list + 1] = kind
    end
    return list
  end,
}
