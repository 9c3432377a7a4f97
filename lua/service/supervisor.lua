-- The standard service `hive.supervisor`: starts services in order, starts those again that end,
-- and gives up when that happens too often. One for one: the end of a child concerns it alone.
--
-- Its arguments are a list of children and a table of options, as `hive.supervise` takes them.

local hive = require "hive"

local children, options = ...

-- Defaults of the options; times in seconds.
local DEFAULTS = { max_restarts = 3, window = 5, backoff = 0.1, backoff_max = 10 }
-- Time that a child gets to stop before it is killed, and all of them when the supervisor ends.
local STOP_SECONDS, STOP_ALL_SECONDS = 2, 4

-- Whether a child of that kind is started again, by whether it ended in order.
local RESTARTS = {
  permanent = function()
    return true
  end,
  transient = function(is_orderly)
    return not is_orderly
  end,
  temporary = function()
    return false
  end,
}
local ORDERLY = { returned = true, exit = true, stopped = true, shutdown = true }

-- Children by id, and their ids in the order of their start.
local by_id, order = {}, {}
-- Times of the restarts within the window.
local restarts = {}
local is_ending = false

local function refuse(message, ...)
  error(message:format(...), 0)
end

local function check_options()
  options = options or {}
  for name, value in pairs(options) do
    if not DEFAULTS[name] then
      refuse("unknown option '%s' of a supervisor", name)
    elseif type(value) ~= "number" or value < 0 then
      refuse("option '%s' of a supervisor is not a number from 0 on", name)
    end
  end
  for name, value in pairs(DEFAULTS) do
    options[name] = options[name] or value
  end
end

-- A child from what describes it: name, arguments, options of the spawn, and our own.
local function new_child(spec)
  if type(spec) ~= "table" or type(spec[1]) ~= "string" then
    refuse 'a child is described by { "name", arguments..., options }'
  end
  local restart = spec.restart or "permanent"
  local id = spec.id or spec.register or spec[1]
  if not RESTARTS[restart] then
    refuse("child %s: restart is permanent, transient or temporary, not %s", id, restart)
  elseif by_id[id] then
    refuse("there is a child %s already\nhint: give each an 'id'", id)
  end
  local spawn = {}
  for name, value in pairs(spec) do
    if type(name) == "string" then
      spawn[name] = value
    end
  end
  spawn[1], spawn.id, spawn.restart, spawn.n = spec[1], nil, nil, nil
  return {
    id = id,
    restart = restart,
    spawn = spawn,
    arguments = table.pack(table.unpack(spec, 2, spec.n or #spec)),
    delay = 0,
    started_again = 0,
  }
end

local ended

-- What a task has come to is known: whoever waits for it goes on.
local function settle(outcome, ok, result)
  outcome.is_settled, outcome.ok, outcome.result = true, ok, result
  repeat
    local woken = hive.wakeup(outcome)
  until not woken
end

-- Runs `act` in a task of its own, which the deadline of whoever asked for it does not end.
local function run_apart(act)
  local outcome = {}
  hive.fork(function()
    settle(outcome, pcall(act))
  end)
  return outcome
end

-- Waits for what a task comes to, and returns or raises that.
local function await(outcome)
  if not outcome.is_settled then
    hive.wait(outcome)
  end
  if not outcome.ok then
    error(outcome.result, 0)
  end
  return outcome.result
end

-- Spawns the child and follows its life; raises what its spawn raises.
local function bring_up(child)
  local service = hive.spawn(child.spawn, table.unpack(child.arguments, 1, child.arguments.n))
  child.service, child.since = service, hive.now()
  local linked, err = pcall(hive.link, service, function(_, how)
    ended(child, service, how.code, how.message)
  end)
  if not linked then
    child.service = nil
    error(err, 0)
  end
  return service
end

-- Begins to start a child. `child.starting` tells of it until the child runs, or `failed` is told
-- why it does not.
local function start(child, failed)
  local starting = {}
  child.starting = starting
  starting.task = hive.fork(function()
    local ok, result = pcall(bring_up, child)
    if child.starting ~= starting then
      -- Given up: the cancel has killed what the spawn would have brought.
      return
    end
    child.starting = nil
    settle(starting, ok, result)
    if not ok then
      failed(child, result)
    end
  end)
  return starting
end

-- Gives up the start of a child, and with it the service that its spawn brings.
local function give_up_start(child)
  local starting = child.starting
  child.starting = nil
  settle(starting, false, ("child %s was stopped while it was started"):format(child.id))
  starting.task:cancel()
end

-- Asks the service of a child to end, and kills it if it does not in time.
local function stop_service(child, seconds)
  local service = child.service
  if hive.stop(service, "its supervisor stops it") then
    hive.wait(child, seconds)
    if child.service == service then
      hive.log.warn(("child %s does not stop; it is killed"):format(child.id))
      hive.kill(service, "it did not stop when its supervisor asked")
    end
  end
  if child.service == service then
    child.service = nil
  end
end

-- Stops a child, also one that is being started; others may start and stop it meanwhile.
local function stop(child, seconds)
  local deadline = hive.now() + seconds
  repeat
    child.is_stopping = true
    if child.timer then
      child.timer:cancel()
      child.timer = nil
    end
    local left = math.max(deadline - hive.now(), 0)
    if child.starting then
      local starting = child.starting
      hive.wait(starting, left)
      if child.starting == starting then
        hive.log.warn(("child %s does not start in time; it is killed"):format(child.id))
        give_up_start(child)
      end
    elseif child.service then
      stop_service(child, left)
    end
  until not (child.starting or child.service)
end

-- Stops all, the last one first.
local function stop_all()
  is_ending = true
  local deadline = hive.now() + STOP_ALL_SECONDS
  local all = {}
  for i, id in ipairs(order) do
    all[i] = by_id[id]
  end
  for i = #all, 1, -1 do
    local left = math.max(deadline - hive.now(), 0.01)
    stop(all[i], math.min(STOP_SECONDS, left))
  end
end

-- Too many restarts: everything ends, and whoever is linked to us.
local function give_up(child, why)
  local limit = ("more than %d restarts within %g s"):format(options.max_restarts, options.window)
  local message = ("supervisor gives up: %s; the last child was %s: %s"):format(
    limit,
    child.id,
    why
  )
  hive.log.error(message)
  stop_all()
  hive.exit { code = "restarts", message = message }
end

-- Counts one more restart; false if it is one too many.
local function may_restart()
  local now = hive.now()
  restarts[#restarts + 1] = now
  while now - restarts[1] > options.window do
    table.remove(restarts, 1)
  end
  return #restarts <= options.max_restarts
end

local start_again

-- A child that ran before cannot be started.
local function retry(child, err)
  if not (child.is_stopping or is_ending) and RESTARTS[child.restart](false) then
    start_again(child, "it cannot be started: " .. tostring(err))
  end
end

function start_again(child, why)
  if not may_restart() then
    return give_up(child, why)
  end
  if child.since and hive.now() - child.since > options.window then
    child.delay = 0
  end
  local delay = child.delay
  child.delay = math.min(math.max(2 * delay, options.backoff), options.backoff_max)
  child.started_again = child.started_again + 1
  local when = delay > 0 and (" in %g s"):format(delay) or ""
  hive.log.warn(
    ("child %s is started again%s (%d of %d within %g s): %s"):format(
      child.id,
      when,
      #restarts,
      options.max_restarts,
      options.window,
      why
    )
  )
  child.timer = hive.after(delay, function()
    child.timer = nil
    start(child, retry)
  end)
end

-- A child has ended.
function ended(child, service, code, message)
  if child.service ~= service then
    return
  end
  child.service = nil
  if child.is_stopping or is_ending then
    repeat
      local woken = hive.wakeup(child)
    until not woken
  elseif RESTARTS[child.restart](ORDERLY[code] or false) then
    start_again(child, message)
  else
    local level = ORDERLY[code] and "info" or "warn"
    hive.log[level](("child %s is not started again: %s"):format(child.id, message))
  end
end

local function forget(child)
  if by_id[child.id] ~= child then
    return
  end
  by_id[child.id] = nil
  for i, id in ipairs(order) do
    if id == child.id then
      table.remove(order, i)
      break
    end
  end
end

local function check_goes_on()
  if is_ending then
    refuse "the supervisor ends"
  end
end

-- Adds a child and starts it.
local function add(spec)
  check_goes_on()
  local child = new_child(spec)
  by_id[child.id] = child
  order[#order + 1] = child.id
  return await(start(child, forget))
end

local function find(id)
  return by_id[id] or refuse("there is no child %s", tostring(id))
end

check_options()
for _, spec in ipairs(children or {}) do
  local ok, err = pcall(add, spec)
  if not ok then
    stop_all()
    error(err, 0)
  end
end

return {
  -- Starts one more child; the service.
  start = add,

  -- The service of a child; nil while it does not run.
  find = function(id)
    return find(id).service
  end,

  -- Stops a child and forgets it.
  remove = function(id)
    local child = find(id)
    await(run_apart(function()
      stop(child, STOP_SECONDS)
      forget(child)
    end))
  end,

  -- Stops a child and starts it again, by its present code; the new service. One that cannot be
  -- started has failed like one that ran.
  restart = function(id)
    local child = find(id)
    return await(run_apart(function()
      stop(child, STOP_SECONDS)
      check_goes_on()
      if by_id[id] ~= child then
        refuse("child %s was removed meanwhile", id)
      end
      child.is_stopping = false
      return await(start(child, retry))
    end))
  end,

  -- What there is: id, service, kind, and how often it was started again, in the order of starts.
  children = function()
    local list = {}
    for i, id in ipairs(order) do
      local child = by_id[id]
      list[i] = {
        id = id,
        service = child.service,
        restart = child.restart,
        started_again = child.started_again,
      }
    end
    return list
  end,

  -- At the end of the host all services prepare for it and still serve each other meanwhile.
  __exit = function(code)
    is_ending = true
    if code ~= "shutdown" then
      stop_all()
    end
  end,
}
