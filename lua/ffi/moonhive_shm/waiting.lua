-- Methods that wait.
--
-- In nginx a worker must not stand still, so the light thread that waits looks, sleeps by ngx.sleep
-- and looks again: at first after a millisecond, then after twice as long each time, up to
-- PAUSE_MOST. It can wait wherever ngx.sleep can; elsewhere ngx.sleep raises. In any other host of
-- LuaJIT the library waits, which is quicker to notice and holds the thread.

local ffi = require("ffi")
local common = require("moonhive_shm.common")
local take = require("moonhive_shm.lists").take

local error, tostring, type = error, tostring, type
local ceil, max, min = math.ceil, math.max, math.min
local ngx = rawget(_G, "ngx")

local OK, NOT_FOUND, TIMEOUT = common.OK, common.NOT_FOUND, 9
local LEFT, RIGHT = common.LEFT, common.RIGHT
local ALL_BITS, BUFFER_BYTES = common.ALL_BITS, common.BUFFER_BYTES
local EXACT_LIMIT, MILLISECONDS = common.EXACT_LIMIT, common.MILLISECONDS
-- Seconds between two looks.
local PAUSE_LEAST, PAUSE_MOST = 0.001, 0.064

local handle_of, key_of, list_key_of = common.handle_of, common.key_of, common.list_key_of
local message, value_of = common.message, common.value_of
local buffer, entry, number = common.buffer, common.entry, common.number
local phase, CALLED = common.phase, common.CALLED
local NO_VERSION = ffi.new("uint64_t", 0)

local library
local methods = {}

local function check_timeout(timeout)
  local is_span = type(timeout) == "number" and timeout >= 0
  if timeout ~= nil and not is_span then
    error("timeout: expected seconds, got " .. tostring(timeout), 3)
  end
end

-- Milliseconds of a timeout for the library; nil is for ever.
local function timeout_ms_of(timeout)
  return timeout and min(ceil(timeout * MILLISECONDS), EXACT_LIMIT) or ALL_BITS
end

-- Looks until there is an answer, or until time is over: what `look` answers, which is one nil as
-- long as it has to go on, or nil and "timeout".
local function poll(timeout, look, self, name, what)
  ngx.update_time()
  local deadline = timeout and ngx.now() + timeout
  local pause = PAUSE_LEAST
  while true do
    local found, reason = look(handle_of(self), name, what)
    if found ~= nil or reason then
      return found, reason
    end
    local left = deadline and deadline - ngx.now() or pause
    if left <= 0 then
      return nil, "timeout"
    end
    -- Less than a millisecond is none to nginx: it would wake this thread again and again before it
    -- looks at the clock, and time would never be over.
    ngx.sleep(max(min(pause, left), PAUSE_LEAST))
    pause = min(pause * 2, PAUSE_MOST)
  end
end

-- The version of a key, 0 without an entry, if it is another one than before.
local function changed_version(handle, name, version)
  phase[1] = CALLED
  local code = library.mhshm_entry_version(handle, name, #name, number)
  if code ~= OK and code ~= NOT_FOUND then
    return nil, message()
  end
  local now = code == OK and number[0] or NO_VERSION
  phase[1] = false
  return now ~= version and now or nil
end

local function await_change(handle, name, version, timeout)
  local ms = timeout_ms_of(timeout)
  phase[1] = CALLED
  local code = library.mhshm_wait(handle, name, #name, version, ms, number)
  if code ~= OK and code ~= TIMEOUT then
    return nil, message()
  end
  local now = number[0]
  phase[1] = false
  if code == TIMEOUT then
    return nil, "timeout"
  end
  return now
end

-- Waits until a key has another version than this one, which version() has returned (nil: no live
-- entry), for so many seconds or for ever. True and the version it has then, or false and
-- "timeout".
function methods.wait(self, key, version, timeout)
  local handle = handle_of(self)
  check_timeout(timeout)
  local name, problem = key_of(key)
  if not name then
    return false, problem
  end
  local now
  version = version or 0
  -- Raises for what is none, as long as that is harmless.
  number[0] = version
  if ngx then
    now, problem = poll(timeout, changed_version, self, name, version)
  else
    now, problem = await_change(handle, name, version, timeout)
  end
  if not now then
    return false, problem
  end
  return true, now ~= 0 and now or nil
end

local function await_element(handle, name, side, timeout)
  local ms = timeout_ms_of(timeout)
  phase[1] = CALLED
  local code = library.mhshm_pop_wait(handle, name, #name, side, ms, buffer, BUFFER_BYTES, entry)
  if code == TIMEOUT then
    phase[1] = false
    return nil, "timeout"
  end
  local found, wrong = value_of(code)
  phase[1] = false
  if wrong then
    return nil, wrong
  end
  return found
end

local function pop(self, key, side, timeout)
  local handle = handle_of(self)
  local name, problem = list_key_of(key)
  if not name then
    return nil, problem
  elseif ngx then
    return poll(timeout, take, self, name, side)
  end
  return await_element(handle, name, side, timeout)
end

-- Takes the first element of a list, waiting for one; nil and "timeout" if none came.
function methods.blpop(self, key, timeout)
  check_timeout(timeout)
  return pop(self, key, LEFT, timeout)
end

-- The same for the last element.
function methods.brpop(self, key, timeout)
  check_timeout(timeout)
  return pop(self, key, RIGHT, timeout)
end

return {
  methods = methods,
  use = function(loaded)
    library = loaded
  end,
}
