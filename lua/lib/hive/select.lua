-- hive.select and hive.gather: several calls at once, and their outcomes as they come.
--
-- A part of the module `hive`, loaded when it is first used. No task waits for each call: the host
-- keeps the session and runs `collect` when the call is over.

local hive, native = ...
local outcome, request = native.outcome, native.request
local wait, wakeup = hive.wait, hive.wakeup
local kind_of_number, pack, unpack = math.type, table.pack, table.unpack

-- The longest wait, as the host has it.
local SECONDS_MAX = 3.2e9

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

-- Begins one more call; its outcome comes under `key`. Returns what is wrong with one that is none.
local function begin(self, key, call)
  if type(call) ~= "table" then
    return ("call %s: expected { target, method, ... }, got %s"):format(tostring(key), type(call))
  end
  local entry = { key = key }
  local seconds = call.timeout or self.seconds
  local count = call.n or #call
  self.open = self.open + 1
  local ok, task, problem = pcall(request, collect, self, entry, seconds, unpack(call, 1, count))
  if ok and task then
    self.tasks[entry] = task
  elseif not ok and type(task) == "table" then
    put(self, pack(key, false, task))
  else
    self.open = self.open - 1
    return ("call %s: %s"):format(tostring(key), problem or task)
  end
end

-- Begins those of a list in its order, which `pairs` may not keep, and then those under other keys.
local function begin_all(self, calls)
  local count = 0
  for i, call in ipairs(calls) do
    local problem = begin(self, i, call)
    if problem then
      return problem
    end
    count = i
  end
  for key, call in pairs(calls) do
    local is_begun = kind_of_number(key) == "integer" and key >= 1 and key <= count
    local problem = not is_begun and begin(self, key, call)
    if problem then
      return problem
    end
  end
end

-- Raises at the line of whoever called the function that called ours.
local function refuse(position, name, problem)
  error(("bad argument #%d to '%s' (%s)"):format(position, name, problem), 4)
end

-- What `hive.select` and `hive.gather` begin with.
local function open(name, calls, seconds)
  if calls ~= nil and type(calls) ~= "table" then
    refuse(1, name, ("table of calls expected, got %s"):format(type(calls)))
  elseif seconds ~= nil and type(seconds) ~= "number" then
    refuse(2, name, ("number expected, got %s"):format(type(seconds)))
  elseif seconds and not (seconds >= 0 and seconds <= SECONDS_MAX) then
    refuse(2, name, ("expected 0 to 3.2e9 seconds, got %s"):format(seconds))
  end
  local self = setmetatable(
    { open = 0, first = 1, last = 0, ready = {}, tasks = {}, seconds = seconds },
    Select
  )
  local problem = begin_all(self, calls or {})
  if problem then
    self:cancel()
    refuse(1, name, problem)
  end
  return self
end

-- One more call, whose outcome comes under `key`.
function Select:add(key, call)
  if key == nil then
    error("a call needs a key other than nil", 2)
  end
  local problem = begin(self, key, call)
  if problem then
    error(problem, 2)
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

-- Begins all calls. As the values of a `for` the result is closed when the loop is left.
function hive.select(calls, seconds)
  local self = open("hive.select", calls, seconds)
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
  local select <close> = open("hive.gather", calls, seconds)
  while note(answers, errors, select()) do
  end
  return answers, next(errors) ~= nil and errors or nil
end
