-- Sessions, a rate limit and a job queue in shared memory: start it as often as you like, also at
-- the same time; all runs share one dictionary. `moonhive run examples/sessions/main.lua [name]`

local hive = require "hive"
local shared = require "shared"

local name = ... or "example-sessions"
local dict, is_new = shared.dict(name, { size = "1m" })
print(is_new and "made the dictionary" or "opened the dictionary")

-- A session is a table that lives for an hour; two runs never lose each other's change.
local session = dict:update("session:ada", function(session)
  session = session or { visits = 0 }
  session.visits = session.visits + 1
  return session
end, 3600)
print(("visit %d of ada, for another %.0f s"):format(session.visits, dict:ttl "session:ada"))

-- Ten requests a second, counted over all processes.
local allowed, refused = 0, 0
for _ = 1, 15 do
  local count = dict:incr("rate:" .. os.time(), 1, 0, 2)
  if count <= 10 then
    allowed = allowed + 1
  else
    refused = refused + 1
  end
end
print(("rate limit: %d allowed, %d refused"):format(allowed, refused))

-- A queue of jobs: services of any process take them.
local queue = "jobs:" .. tostring(hive.self())
hive.fork(function()
  for i = 1, 3 do
    dict:rpush(queue, { number = i }, { ttl = 60 })
    hive.sleep(0.01)
  end
end)
for _ = 1, 3 do
  print("job", dict:blpop(queue, 5).number)
end

-- One process at a time does what must happen once; a lock ends with its owner.
do
  local lock <close> = assert(dict:lock("lock:report", { timeout = 5 }))
  local entries = 0
  for _ in dict:keys { prefix = "session:" } do
    entries = entries + 1
  end
  print(("%d session(s); %s has %d bytes free"):format(entries, name, dict:free_space()))
  assert(lock)
end
