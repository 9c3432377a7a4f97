-- Answers in the middle of what it does, in every way in which a handler can: each command then
-- keeps its worker busy until the caller says that it has the answer.

local skynet = require "skynet"
local coroutines = require "skynet.coroutine"

local ROUNDS_MAX = 20000000

-- Until the environment has that key; false if it never gets it.
local function busy_until(key)
  for _ = 1, ROUNDS_MAX do
    if skynet.getenv(key) then
      return true
    end
  end
  return false
end

local seen = {}
local command = {}

function command.then_busy(key)
  skynet.retpack(key)
  seen[key] = busy_until(key)
end

function command.in_a_branch(key)
  if key then
    skynet.ret(skynet.pack(key))
  else
    return
  end
  seen[key] = busy_until(key)
end

local function answer(...)
  skynet.retpack(...)
end

function command.in_a_function(key)
  answer(key)
  seen[key] = busy_until(key)
end

function command.before_closing(key)
  local _ <close> = setmetatable({}, {
    __close = function()
      seen[key] = busy_until(key)
    end,
  })
  skynet.retpack(key)
end

function command.under_pcall(key)
  pcall(answer, key)
  seen[key] = busy_until(key)
end

function command.in_a_coroutine(key)
  local inner = coroutines.wrap(function()
    answer(key)
  end)
  inner()
  seen[key] = busy_until(key)
end

function command.under_a_hook(key)
  local is_next = false
  debug.sethook(function()
    if is_next then
      debug.sethook()
      seen[key] = busy_until(key)
    end
  end, "r")
  is_next = true
  skynet.retpack(key)
end

function command.in_a_loop(key)
  for i = 1, 2 do
    if i == 1 then
      skynet.retpack(key)
    else
      seen[key] = busy_until(key)
    end
  end
end

-- Metamethods that answer, and then are not the last: they know the key without a variable of
-- their handler, which would have to be closed.

local current

local function answer_current()
  skynet.retpack(current)
  return true
end

local function be_busy()
  seen[current] = busy_until(current)
end

local Compared = {
  __eq = answer_current,
  __lt = answer_current,
  __le = function()
    skynet.sleep(1)
    return answer_current()
  end,
}

function command.in_an_equation(key)
  current = key
  if setmetatable({}, Compared) == setmetatable({}, Compared) then
    be_busy()
  end
end

function command.in_a_comparison(key)
  current = key
  if setmetatable({}, Compared) < setmetatable({}, Compared) then
    be_busy()
  end
end

function command.in_a_comparison_that_waits(key)
  current = key
  if setmetatable({}, Compared) <= setmetatable({}, Compared) then
    be_busy()
  end
end

local has_answered
local Joined = {}
function Joined.__concat(_, right)
  if has_answered then
    be_busy()
  else
    has_answered = true
    answer_current()
  end
  return right
end

function command.in_a_concatenation(key)
  current, has_answered = key, false
  local a, b, c = setmetatable({}, Joined), setmetatable({}, Joined), setmetatable({}, Joined)
  local _ = a .. b .. c
end

local Answering, Busy = { __close = answer_current }, { __close = be_busy }

function command.while_closing(key)
  current = key
  local _ <close> = setmetatable({}, Busy)
  local _ <close> = setmetatable({}, Answering)
end

function command.while_closing_itself(key)
  current = key
  local _ <close> = setmetatable({}, Busy)
  local _ <close> = setmetatable({}, Answering)
  coroutine.close(coroutine.running())
end

-- These end with the answer, so nothing may last after it.

function command.at_the_end(key)
  seen[key] = true
  skynet.retpack(key)
end

function command.as_a_tail_call(key)
  seen[key] = true
  return skynet.retpack(key)
end

function command.with_a_value_behind(key)
  seen[key] = true
  local kept = { key }
  answer(kept[1])
  return kept, nil, false, 7
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, key)
    if name == "seen" then
      return skynet.retpack(seen[key])
    end
    command[name](key)
  end)
end)
