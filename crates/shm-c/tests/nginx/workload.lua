-- What several workers of nginx and services of a host do at once with libraries for nginx, on the
-- same dictionaries. Each function is given the beginning of their names, and a number.

local ngx = rawget(_G, "ngx")

local work = {}

-- Adds to a number so many times, by a read and a store that only a lock makes one step.
function work.contend(names, times)
  local cache = ngx.shared[names .. "cache"]
  local options = { timeout = 30, exptime = 30, step = 0.001, max_step = 0.01 }
  local lock = assert(require("resty.lock"):new(names .. "locks", options))
  for _ = 1, times do
    assert(lock:lock("contended"))
    local seen = cache:get("contended") or 0
    ngx.sleep(0)
    assert(cache:set("contended", seen + 1))
    assert(lock:unlock())
  end
  return "done"
end

-- The number that all have added to.
function work.contended(names)
  return tostring(ngx.shared[names .. "cache"]:get("contended"))
end

-- Takes a lock that ends after so many seconds, says so where the test hears it, and computes until
-- it is killed.
function work.hold(names, seconds)
  local lock = assert(require("resty.lock"):new(names .. "locks", { exptime = seconds }))
  assert(lock:lock("held"))
  ngx.shared.ours_events:rpush("holders", ngx.worker.pid())
  while true do
    seconds = seconds + 1
  end
end

-- Waits for the lock that another one holds: whether it came after the time of that one.
function work.inherit(names, seconds)
  local lock = assert(require("resty.lock"):new(names .. "locks", { timeout = 30, exptime = 30 }))
  local waited = assert(lock:lock("held"))
  assert(lock:unlock())
  return waited > 0 and waited < 2 * seconds and "inherited" or "waited " .. waited
end

-- Asks a limit of 500 so many times: how often it said yes.
function work.accept(names, times)
  local limit = assert(require("resty.limit.count").new(names .. "cache", 500, 600))
  local accepted = 0
  for _ = 1, times do
    accepted = accepted + (limit:incoming("accepted", true) and 1 or 0)
  end
  return tostring(accepted)
end

-- So many requests under a limit of their rate: the excess of the last.
function work.exceed(names, times)
  local limit = assert(require("resty.limit.req").new(names .. "cache", 0.00001, 100))
  local excess
  for _ = 1, times do
    local _, seen = limit:incoming("exceeded", true)
    excess = seen
  end
  return ("%.1f"):format(excess)
end

local caches = {}

local function cache_of(names)
  if not caches[names] then
    local options = { ttl = 600, shm_locks = names .. "locks", ipc_shm = names .. "events" }
    local made = require("resty.mlcache").new("shared", names .. "cache", options)
    caches[names] = assert(made)
  end
  return caches[names]
end

-- Reads what nobody has computed yet, which takes a while and is counted.
function work.compute(names, number)
  local value = assert(cache_of(names):get("computed", nil, function()
    ngx.shared[names .. "cache"]:incr("times computed", 1, 0)
    ngx.sleep(0.1)
    return "value " .. number
  end))
  return value
end

-- Reads a value that workers keep for themselves, once what others have said about it is heard.
function work.read(names)
  local cache = cache_of(names)
  assert(cache:update())
  return tostring(cache:get("told", nil, function()
    return 0
  end))
end

-- Changes that value and tells the others.
function work.tell(names, number)
  assert(cache_of(names):set("told", nil, number))
  return "told"
end

-- Hears what others tell so many times: says that it is ready by its number, and is told to go on
-- by an element of a list of its own.
function work.follow(names, times)
  local events, me = ngx.shared[names .. "events"], ngx.worker.pid()
  for number = 1, times do
    work.read(names)
    events:rpush("ready", me)
    assert(events:blpop("go:" .. me, 30))
    local seen = work.read(names)
    assert(seen == tostring(number), seen)
  end
  return "followed"
end

return work
