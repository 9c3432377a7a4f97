-- `skynet.request`: several calls at once, whose answers are taken in the order in which they come.

local skynet = ...
local core = require "skynet.core"
local answer, send = core.answer, core.request
local pack, unpack = table.pack, table.unpack

local Requests = {}
Requests.__index = Requests

-- Lists of requests of which some have no answer yet.
local open = {}

-- Adds a call: { address, protocol, ... }.
function Requests:add(request)
  assert(type(request) == "table", "a request is a table: { address, protocol, ... }")
  assert(not self.ended, "requests cannot be added once they are made")
  self[#self + 1] = request
  return self
end

Requests.__call = Requests.add

-- A call is over: `results` is a table, or false or nil if it failed.
local function note_end(self, entry, results)
  local ended = self.ended
  self.calls[entry] = nil
  if not next(self.calls) then
    open[self] = nil
  end
  entry.results = results
  ended[#ended + 1] = entry
  skynet.wakeup(ended)
end

local function results_of(request, ok, ...)
  if ok then
    return pack(...)
  end
  request.error = ...
  return false
end

-- Runs in a task of its own when a call is over.
local function collect(self, entry, address, protocol, ...)
  note_end(self, entry, results_of(entry.request, pcall(answer, address, protocol, ...)))
end

local function begin(self)
  for _, request in ipairs(self) do
    if request[1] == nil or request[2] == nil then
      error "a request is a table: { address, protocol, ... }"
    end
    local entry = { request = request, address = request[1] }
    local task, problem = send(collect, self, entry, unpack(request, 1, request.n))
    self.calls[entry] = task
    if not task then
      request.error = problem
      note_end(self, entry)
    end
  end
  open[self] = next(self.calls) and true
end

-- What is wrong with a request, without the place here where that was found.
local function complaint(problem)
  if type(problem) ~= "string" then
    return problem
  end
  problem = problem:gsub("^skynet%.request:%d+: ", "")
  return problem:match "^bad argument #%d+ to '[^']*' %((.*)%)$" or problem
end

-- Calls off what has not been answered.
function Requests:close()
  for entry, task in pairs(self.calls or {}) do
    self.calls[entry] = nil
    task:cancel()
  end
  open[self] = nil
  if self.ended then
    skynet.wakeup(self.ended)
  end
end

Requests.__close = Requests.close

-- Makes the calls. Iterates over the requests as they end: with a table of the results, false for
-- a call that failed, or nil for one that could not be sent; the error is the request's field
-- `error`. Ends after `ticks` at the latest, and `timeout` is then true.
function Requests:select(ticks)
  assert(not self.ended, "requests are made once")
  local ended, taken = {}, 0
  self.ended, self.calls = ended, {}
  local ok, problem = pcall(begin, self)
  if not ok then
    self:close()
    -- It happened here, but the caller has to know where the requests were made.
    error(complaint(problem), 2)
  end
  local deadline = ticks and skynet.now() + ticks
  local function next_ended()
    while not ended[taken + 1] do
      if not next(self.calls) then
        return nil
      elseif not deadline then
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
    local entry = ended[taken]
    return entry.request, entry.results
  end
  return next_ended, nil, nil, self
end

-- Has the requests to an address fail that have no answer; `is_it` tells whether it is that one.
function core.call_off(is_it, reason)
  for self in pairs(open) do
    for entry, task in pairs(self.calls) do
      if is_it(entry.address) then
        task:cancel()
        entry.request.error = "call failed: " .. reason
        note_end(self, entry, false)
      end
    end
  end
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
