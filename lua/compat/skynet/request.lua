-- `skynet.request`: several calls at once, whose answers are taken in the order in which they come.

local skynet = ...
local fork = require("hive").fork

local Requests = {}
Requests.__index = Requests

-- Adds a call: { address, protocol, ... }.
function Requests:add(request)
  assert(type(request) == "table", "a request is a table: { address, protocol, ... }")
  assert(not self.selected, "requests cannot be added once they are made")
  self[#self + 1] = request
  return self
end

Requests.__call = Requests.add

-- Calls off what has not been answered.
function Requests:__close()
  for _, task in ipairs(self.tasks or {}) do
    task:cancel()
  end
end

-- Makes the calls. Iterates over the requests as they end: with a table of the results, or nil for
-- a call that failed; its error is the request's field `error`. Ends after `ticks` at the latest,
-- and `timeout` is then true.
function Requests:select(ticks)
  assert(not self.selected, "requests are made once")
  self.selected, self.tasks = true, {}
  local ended, taken, count = {}, 0, #self
  for i, request in ipairs(self) do
    self.tasks[i] = fork(function()
      local results = table.pack(pcall(skynet.call, table.unpack(request, 1, request.n)))
      if results[1] then
        ended[#ended + 1] = { request, table.pack(table.unpack(results, 2, results.n)) }
      else
        request.error = results[2]
        ended[#ended + 1] = { request }
      end
      skynet.wakeup(ended)
    end)
  end
  local deadline = ticks and skynet.now() + ticks
  local function next_ended()
    while taken < count and not ended[taken + 1] do
      if not deadline then
        skynet.wait(ended)
      else
        local left = deadline - skynet.now()
        if left <= 0 then
          self.timeout = true
          return nil
        end
        skynet.sleep(left, ended)
      end
    end
    taken = taken + 1
    local one = ended[taken]
    if one then
      return one[1], one[2]
    end
  end
  return next_ended, nil, nil, self
end

-- Begins a list of requests, with one or with several.
function skynet.request(first, ...)
  local requests = setmetatable({}, Requests)
  local list = type(first) == "table" and type(first[1]) == "table" and first or { first, ... }
  for _, request in ipairs(list) do
    requests:add(request)
  end
  return requests
end
