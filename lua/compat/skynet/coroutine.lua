-- The module `skynet.coroutine`. Waiting works inside plain coroutines here, so this is Lua's own
-- library; `thread` tells in addition which task of the service a coroutine runs in, and `status`
-- whether it waits there.

local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local status = coroutine.status

-- Coroutines that this module resumed: the task in which they ran last.
local tasks = setmetatable({}, { __mode = "k" })

local function current_task()
  local co = running()
  return tasks[co] or co
end

local module = {
  close = coroutine.close,
  create = create,
  isyieldable = coroutine.isyieldable,
  running = running,
  yield = coroutine.yield,
}

-- True if a coroutine of another task waits, so that nobody here can resume it.
local function is_blocked(co)
  return status(co) == "normal" and tasks[co] ~= nil and tasks[co] ~= current_task()
end

-- As Lua's own, and "blocked" for a coroutine whose task waits inside it.
function module.status(co)
  return is_blocked(co) and "blocked" or status(co)
end

function module.resume(co, ...)
  if is_blocked(co) then
    return false, "cannot resume a coroutine whose task waits in it"
  end
  tasks[co] = current_task()
  return resume(co, ...)
end

local function pass(co, ok, ...)
  if ok then
    return ...
  end
  coroutine.close(co)
  error(..., 0)
end

function module.wrap(f)
  local co = create(f)
  return function(...)
    return pass(co, module.resume(co, ...))
  end
end

-- The coroutine of the task that runs `co` (or this code), and whether that is `co` itself.
function module.thread(co)
  co = co or running()
  local task = tasks[co] or co
  return task, task == co
end

return module
