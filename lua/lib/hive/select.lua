-- hive.select and hive.gather: several calls at once, and their outcomes as they come.
--
-- A part of the module `hive`, loaded when it is first used. No task waits for each call: the host
-- keeps the session and runs `collect` when the call is over.

local hive, native = ...
local outcome, request = native.outcome, native.request
local wait, wakeup = hive.wait, hive.wakeup
local pack, unpack = table.pack, table.unpack

-- Calls under way: `open` is their number, `tasks` maps the entry of each to its task. Outcomes
-- that nobody has taken yet lie in `ready`, from `first` to `last`.
local Select = { __name = "hive.Select" }
Select.__index = Select

-- Wakes everybody when there is nothing left to wait for.
local function look_at_end(self)
  if self.open == 0 and self.first > self.last then
    while wakeup(self) do
    end
  end
end

local function put(self, answer)
  self.open = self.open - 1
  self.last = self.last + 1
  self.ready[self.last] = answer
  wakeup(self)
end

-- Runs in a task of its own when a call is over.
local function collect(self, entry, target, method, ...)
  self.tasks[entry] = nil
  put(self, pack(entry.key, outcome(target, method, ...)))
end

local function refuse(key, problem)
  error(("call %s: %s"):format(tostring(key), problem), 0)
end

-- Begins one more call; its outcome comes under `key`.
function Select:add(key, call)
  if key == nil then
    error("a call needs a key other than nil", 2)
  elseif type(call) ~= "table" then
    refuse(key, ("expected { target, method, ... }, got %s"):format(type(call)))
  end
  local entry = { key = key }
  local seconds = call.timeout or self.seconds
  local count = call.n or #call
  self.open = self.open + 1
  local ok, task = pcall(request, collect, self, entry, seconds, unpack(call, 1, count))
  if ok then
    self.tasks[entry] = task
  elseif type(task) == "table" then
    put(self, pack(key, false, task))
  else
    self.open = self.open - 1
    self:cancel()
    refuse(key, task)
  end
  return self
end

-- The next outcome: the call's key, true and its results, or false and its error. Nil at the end.
function Select:__call()
  local first = self.first
  while first > self.last do
    if self.open == 0 then
      return nil
    end
    wait(self)
    first = self.first
  end
  local answer = self.ready[first]
  self.ready[first] = nil
  self.first = first + 1
  look_at_end(self)
  return unpack(answer, 1, answer.n)
end

-- Lets go of the calls that are not over: their answers are dropped.
function Select:cancel()
  for entry, task in pairs(self.tasks) do
    self.tasks[entry] = nil
    self.open = self.open - 1
    task:cancel()
  end
  look_at_end(self)
end

Select.__close = Select.cancel

-- Begins all calls, those of a list in its order, which `pairs` may not keep. As the values of a `for` the result is closed when the loop is left.
function hive.select(calls, seconds)
  local self = setmetatable(
    { open = 0, first = 1, last = 0, ready = {}, tasks = {}, seconds = seconds },
    Select
  )
  local count = 0
  for i, call in ipairs(calls or {}) do
    self:add(i, call)
    count = i
  end
  for key, call in pairs(calls or {}) do
    local is_begun = math.type(key) == "integer" and key >= 1 and key <= count
    if not is_begun then
      self:add(key, call)
    end
  end
  return self, nil, nil, self
end

local function note(answers, errors, key, ok, ...)
  if key == nil then
    return false
  elseif ok then
    answers[key] = pack(...)
  else
    errors[key] = ...
  end
  return true
end

-- Waits for all calls: a list of results for each key that succeeded, and the errors of the others.
function hive.gather(calls, seconds)
  local answers, errors = {}, {}
  local select <close> = hive.select(calls, seconds)
  while note(answers, errors, select()) do
  end
  return answers, next(errors) ~= nil and errors or nil
end
