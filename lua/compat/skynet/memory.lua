-- The module `skynet.memory`: figures of the host's memory. Lua memory is counted by service, so
-- they are exact; what allocators of C programs tell beside it has no counterpart here.

local skynet = require "skynet"
local core = require "skynet.core"

local memory = {}

-- Bytes of all services together.
function memory.total()
  local total = 0
  for _, bytes in pairs(core.memory()) do
    total = total + bytes
  end
  return total
end

-- How many services use memory.
function memory.block()
  local count = 0
  for _ in pairs(core.memory()) do
    count = count + 1
  end
  return count
end

-- Bytes by service.
function memory.info()
  return core.memory()
end

-- Bytes of this service.
function memory.current()
  return collectgarbage "count" * 1024 // 1 | 0
end

-- Logs the bytes of every service.
function memory.dump()
  for address, bytes in pairs(core.memory()) do
    skynet.error(("%s -> %d bytes"):format(skynet.address(address), bytes))
  end
  skynet.error(("total: %d bytes"):format(memory.total()))
end

memory.dumpinfo = memory.dump

return memory
