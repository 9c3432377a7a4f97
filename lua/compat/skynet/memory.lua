-- The module `skynet.memory`: figures of the host's memory. Lua memory is counted by service, so
-- they are exact; what allocators of C programs tell beside it has no counterpart here.

local skynet = require "skynet"
local core = require "skynet.core"

local memory = {}

-- Bytes of this service.
function memory.current()
  return collectgarbage "count" * 1024 // 1 | 0
end

-- Bytes by service: of this one now, of the others at the end of their last turns.
function memory.info()
  local info = core.memory()
  info[skynet.self()] = memory.current()
  return info
end

-- Bytes of all services together.
function memory.total()
  local total = 0
  for _, bytes in pairs(memory.info()) do
    total = total + bytes
  end
  return total
end

-- How many services use memory.
function memory.block()
  local count = 0
  for _ in pairs(memory.info()) do
    count = count + 1
  end
  return count
end

-- Logs the bytes of every service.
function memory.dump()
  for address, bytes in pairs(memory.info()) do
    skynet.error(("%s -> %d bytes"):format(skynet.address(address), bytes))
  end
  skynet.error(("total: %d bytes"):format(memory.total()))
end

memory.dumpinfo = memory.dump

-- What asks an allocator for C programs, of which there is none.
local function no_allocator(name)
  skynet.error(("skynet.memory.%s: Lua memory is counted by service instead"):format(name))
end

-- A figure of the allocator.
function memory.mallctl()
  no_allocator "mallctl"
  return 0
end

-- Logs the figures of the allocator.
function memory.jestat()
  no_allocator "jestat"
end

-- Whether allocations are recorded.
function memory.profactive()
  no_allocator "profactive"
  return false
end

-- Writes down the allocations that were recorded.
function memory.dumpheap()
  no_allocator "dumpheap"
end

return memory
