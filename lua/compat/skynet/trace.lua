-- `skynet.trace`: log lines that carry the id of a request, in every service that works for it.

local skynet = ...
local core = require "skynet.core"

-- The id of the request that this task works for if `trace` follows that, or nil.
skynet.tracetag = core.tag

-- Logs a line with an id, the nanoseconds of `skynet.hpc`, and a text.
function skynet.tracelog(tag, info)
  skynet.error(("<TRACE %s> %d %s"):format(tag, skynet.hpc(), info))
end

-- Logs a line for the request that this task works for; if it works for none, one begins here, and
-- its id goes along with the task's calls from now on.
function skynet.trace(info)
  core.begin_request()
  local place = debug.getinfo(2, "Sl")
  local where = place and ("%s:%d"):format(place.short_src, place.currentline) or "?"
  skynet.tracelog(skynet.tracetag(), ("trace %s %s"):format(tostring(info or ""), where))
end

-- As `rawcall`, with a line before it and one behind it.
function skynet.tracecall(tag, address, protocol, msg, sz)
  skynet.tracelog(tag, "tracecall begin")
  msg, sz = skynet.rawcall(address, protocol, msg, sz)
  skynet.tracelog(tag, "tracecall end")
  return msg, sz
end

-- Tracebacks show where a task waits in any case, so there is nothing to turn on.
function skynet.trace_timeout() end
