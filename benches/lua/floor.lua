-- The least that a call between two coroutines costs in Lua itself: two resumes and an entry in a
-- table of sessions, in nanoseconds of processor time, the best of seven rounds. Runs in any Lua:
-- `lua5.4 benches/lua/floor.lua`, `moonhive run benches/lua/floor.lua`.

local OPERATIONS, ROUNDS = 300000, 7
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

local function round()
  local sessions = {}
  local callee = create(function(value)
    while true do
      value = yield(value + 1)
    end
  end)
  local caller = create(function()
    for i = 1, OPERATIONS do
      yield(i)
    end
  end)
  local begin = os.clock()
  local _, value = resume(caller)
  local session = 0
  while value do
    session = session + 1
    sessions[session] = caller
    local _, answer = resume(callee, value)
    local waiting = sessions[session]
    sessions[session] = nil
    _, value = resume(waiting, answer)
  end
  return (os.clock() - begin) / OPERATIONS * 1e9
end

local best = math.huge
for _ = 1, ROUNDS do
  best = math.min(best, round())
end
print(("%.1f"):format(best))
