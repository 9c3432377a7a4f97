-- `skynet.term`: a program tells of the end of a service by hand, which the host does by itself.

local skynet = ...
local core = require "skynet.core"
local getinfo, getlocal = debug.getinfo, debug.getlocal

-- An address as a number where it leads to somebody, so that two of them can be compared.
local function plain(address)
  if type(address) == "userdata" then
    address = skynet.address(address)
  end
  return type(address) == "string" and core.named(address) or address
end

-- Whom a task that waits has called; nil if it waits for something else. A call keeps its first
-- argument while it waits.
local function callee_of(co)
  local waiting = getinfo(co, 0, "f").func
  if waiting == skynet.call or waiting == skynet.rawcall then
    local _, address = getlocal(co, 0, 1)
    return address
  end
end

-- Makes the calls of this service to an address fail that have no answer yet.
function skynet.term(address)
  address = plain(address)
  local reason = ("nobody waits for %s any more"):format(skynet.address(address))
  local function is_it(callee)
    return callee ~= nil and plain(callee) == address
  end
  local call_off = rawget(core, "call_off")
  if call_off then
    call_off(is_it, reason)
  end
  for session, co in pairs(core.tasks()) do
    if is_it(callee_of(co)) then
      skynet.redirect(skynet.self(), 0, "error", session, reason)
    end
  end
end
