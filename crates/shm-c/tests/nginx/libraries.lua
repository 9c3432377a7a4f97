-- What libraries for nginx do on dictionaries: called with the beginning of the names of those in
-- `ngx.shared` (cache, misses, locks, events), writes a line for each result. The lines of nginx's
-- own dictionaries, of ours in nginx and of ours in a host must be equal.

local ngx = rawget(_G, "ngx")

local function shown(...)
  local texts = {}
  for index = 1, select("#", ...) do
    local x = select(index, ...)
    if type(x) == "number" then
      texts[index] = ("%.3f"):format(x)
    elseif type(x) == "table" then
      texts[index] = "a table"
    else
      -- Errors name the place where they were raised.
      texts[index] = tostring(x):gsub("^[^\n]-:%d+: ", ""):gsub("\n.*", "")
    end
  end
  return table.concat(texts, " ")
end

local function locks(write, names)
  local lock = require("resty.lock")
  write("no dictionary", lock:new("none at all"))
  local options = { timeout = 0.05, exptime = 10, step = 0.001 }
  local mine = assert(lock:new(names .. "locks", options))
  local other = assert(lock:new(names .. "locks", options))
  write("lock", mine:lock("door"))
  write("again", mine:lock("door"))
  write("other", other:lock("door"))
  write("other key", other:lock("window"))
  write("unlock", mine:unlock())
  write("unlock", mine:unlock())
  write("unlock other", other:unlock())
  write("free", other:lock("door"))
  write("unlock other", other:unlock())
  write("nil", mine:lock(nil))
  write("empty", mine:lock(""))
  write("long", mine:lock(("k"):rep(70000)))
  write("a number", mine:lock(1700000000123))
  write("unlock", mine:unlock())
  write("expire", mine:expire())
  local brief = assert(lock:new(names .. "locks", { exptime = 0.02 }))
  write("brief", brief:lock("door"))
  local waited = other:lock("door")
  write("after its time", waited and waited > 0.005)
  write("expire", other:expire(0.02))
  waited = mine:lock("door")
  write("after its new time", waited and waited > 0.005)
  write("expire", other:expire(5))
  write("unlock", mine:unlock())
  write("expire", mine:expire(5))
  -- A lock that nobody refers to any more is given back.
  do
    assert(lock:new(names .. "locks", options):lock("forgotten"))
  end
  collectgarbage()
  collectgarbage()
  write("unlock", mine:unlock())
  write("forgotten", mine:lock("forgotten"))
  write("unlock", mine:unlock())
end

local function counts(write, names)
  local count = require("resty.limit.count")
  write("no dictionary", count.new("none at all", 1, 1))
  local limit = assert(count.new(names .. "cache", 3, 0.1))
  for _ = 1, 5 do
    write("count", limit:incoming("count:a", true))
  end
  write("look", limit:incoming("count:a", false))
  write("other", limit:incoming("count:b", true))
  write("uncommit", limit:uncommit("count:b"))
  write("uncommit none", limit:uncommit("count:none"))
  ngx.sleep(0.15)
  write("next window", limit:incoming("count:a", true))
end

local function connections(write, names)
  local conn = require("resty.limit.conn")
  local limit = assert(conn.new(names .. "cache", 2, 1, 0.5))
  for _ = 1, 4 do
    write("connection", limit:incoming("conn:a", true))
    write("committed", limit:is_committed())
  end
  write("look", limit:incoming("conn:a", false))
  for _ = 1, 3 do
    write("leaving", limit:leaving("conn:a", 0.25))
  end
  write("uncommit", limit:uncommit("conn:a"))
  write("leaving none", limit:leaving("conn:none"))
end

local function requests(write, names)
  local req = require("resty.limit.req")
  local limit = assert(req.new(names .. "cache", 0.0001, 2))
  local function incoming(what, key, commit)
    -- A millisecond more or less takes a thousandth of a request off.
    local delay, excess = limit:incoming(key, commit)
    if delay then
      delay, excess = ("delay %.0f"):format(delay / 1000), ("%.1f"):format(excess)
    end
    write(what, delay, excess)
  end
  for _ = 1, 4 do
    incoming("request", "req:a", true)
  end
  incoming("look", "req:a", false)
  write("uncommit", limit:uncommit("req:a"))
  incoming("after uncommit", "req:a", true)
  write("record", #ngx.shared[names .. "cache"]:get("req:a"))
  ngx.shared[names .. "cache"]:set("req:abused", "x")
  write("abused", limit:incoming("req:abused", true))
  write("abused", limit:uncommit("req:abused"))
  local quick = assert(req.new(names .. "cache", 100, 0))
  write("quick", quick:incoming("req:quick", true))
  write("quick", quick:incoming("req:quick", true))
  ngx.sleep(0.03)
  write("quick", quick:incoming("req:quick", true))
end

local function tokens(write, names)
  local token = require("resty.limit.token")
  local options = { locks_shdict_name = names .. "locks" }
  local bucket = assert(token.new(names .. "cache", 100, 10, 2, options))
  write("rate", bucket:rate())
  local begin = 1700000000000
  for index, step in ipairs({ 3, 8, 2, 10, 1, 5 }) do
    write("take", bucket:take("token:a", step, 300, begin + index * 60))
  end
  for index, step in ipairs({ 3, 8, 2, 10 }) do
    write("available", bucket:take_available("token:b", step, begin + index * 70))
  end
  ngx.shared[names .. "cache"]:set("token:abused", 5)
  write("abused", bucket:take("token:abused", 1))
end

local function traffic(write, names)
  local req, conn = require("resty.limit.req"), require("resty.limit.conn")
  local both = require("resty.limit.traffic")
  local limits = {
    assert(req.new(names .. "cache", 0.0001, 3)),
    assert(conn.new(names .. "cache", 1, 1, 0.5)),
  }
  local keys = { "traffic:req", "traffic:conn" }
  for _ = 1, 4 do
    local states = {}
    local delay, err = both.combine(limits, keys, states)
    local excess = states[1] and ("%.1f"):format(states[1])
    write("traffic", delay and ("delay %.0f"):format(delay / 1000) or err, excess, states[2])
  end
end

local function caches(write, names)
  local mlcache = require("resty.mlcache")
  local options = { ttl = 0.1, neg_ttl = 0.1, lru_size = 10, resurrect_ttl = 5 }
  options.shm_miss, options.shm_locks = names .. "misses", names .. "locks"
  options.ipc_shm = names .. "events"
  local cache = assert(mlcache.new("cache", names .. "cache", options))
  local function get(key, callback, ...)
    write("get " .. key, cache:get(key, nil, callback, ...))
  end
  -- Forgets what this worker has kept for itself.
  local function forget()
    cache.lru:flush_all()
  end
  local made = 0
  local function make(x)
    made = made + 1
    return x
  end
  for _, value in ipairs({ "text", 5, 1.5, true, false, "" }) do
    local key = "value " .. tostring(value)
    get(key, make, value)
    get(key, make, value)
    forget()
    get(key, make, value)
  end
  write("table", cache:get("table", nil, make, { 1, 2, { x = "y" } }))
  forget()
  local found, err, level = cache:get("table", nil, make)
  write("table", found[1], found[2], found[3].x, err, level)
  get("nothing", make, nil)
  get("nothing", make, nil)
  forget()
  get("nothing", make, nil)
  write("made", made)
  get("failing", function()
    return nil, "no answer"
  end)
  get("raising", function()
    error("broken")
  end)
  get("bypass", function()
    return "not kept", nil, -1
  end)
  get("bypass", make, "kept")
  write("kept for ever", cache:get("for ever", { ttl = 0 }, make, 1))
  local _, _, kept = cache:peek("for ever")
  write("peek", kept)
  write("peek", cache:peek("none"))
  ngx.sleep(0.15)
  write("stale", select(2, cache:peek("value text")))
  local _, _, stale, is_stale = cache:peek("value text", true)
  write("stale", stale, is_stale)
  get("value text", function()
    return nil, "the source is gone"
  end)
  forget()
  get("value text", make, "another")
  get("value 5", make, 6)
  forget()
  get("value 5", make, 7)

  local bulk = mlcache.new_bulk(4)
  bulk:add("value 5", nil, make, 8)
  bulk:add("bulk 1", { ttl = 5 }, make, "one")
  bulk:add("bulk 2", nil, function()
    return nil, "failed"
  end)
  bulk:add("bulk 3", nil, make, nil)
  local results, why = cache:get_bulk(bulk)
  write("bulk", why)
  for index, value, wrong, hit in mlcache.each_bulk_res(results) do
    write("bulk " .. index, value, wrong, hit)
  end

  write("set", cache:set("value 5", nil, 9))
  get("value 5", make, 10)
  write("delete", cache:delete("value 5"))
  get("value 5", make, 11)
  write("update", cache:update())
  write("purge", cache:purge(true))
  get("value 5", make, 12)
  for index = 1, 30 do
    cache:get("many " .. index, { ttl = 10 }, make, index)
  end
  get("many 1", make, 0)
  get("many 30", make, 0)
  write("keys", #ngx.shared[names .. "cache"]:get_keys(0) > 30)
end

local function metrics(write, names)
  local counter = require("prometheus_resty_counter").new(names .. "cache", 0.05)
  counter:incr("metric:a")
  counter:incr("metric:a", 2.5)
  counter:incr("metric:b", -1)
  write("not yet", counter:get("metric:a"))
  write("sync", counter:sync())
  write("now", counter:get("metric:a"))
  write("reset", counter:reset("metric:a", 3.5))
  counter:incr("metric:b", 11)
  ngx.sleep(0.2)
  write("by the timer", counter:get("metric:b"))

  local index = require("prometheus_keys")
  local mine, other = {}, {}
  for _, place in ipairs({ mine, other }) do
    place.keys = index.new(ngx.shared[names .. "events"], "index:")
  end
  write("add", mine.keys:add({ "one", "two", "three" }, "evicted"))
  write("add", other.keys:add("two", "evicted"))
  write("add", other.keys:add("four", "evicted"))
  write("remove", mine.keys:remove("one", "evicted"))
  local function list(place)
    local keys = place.keys:list()
    table.sort(keys)
    return table.concat(keys, " ")
  end
  write("keys", list(mine))
  write("keys", list(other))
end

return function(names, out)
  local section = ""
  local function write(...)
    out(section .. ": " .. shown(...))
  end
  local sections = {
    { "locks", locks },
    { "counts", counts },
    { "connections", connections },
    { "requests", requests },
    { "tokens", tokens },
    { "traffic", traffic },
    { "caches", caches },
    { "metrics", metrics },
  }
  for _, one in ipairs(sections) do
    section = one[1]
    one[2](write, names)
  end
end
