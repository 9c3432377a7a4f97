-- The module `skynet.record`: writes down the messages that come to this service, one line each, in
-- a file of its own in the folder that the setting `logpath` names.
--
-- A line tells the sender, the protocol, the session, the tick, and the bytes as digits.

local core = require "skynet.core"
local skynet = require "skynet"

local record = {}

local file

local function digits(byte)
  return ("%02x"):format(byte:byte())
end

local function write(protocol, msg, sz, session, source)
  local bytes = skynet.tostring(msg, sz):gsub(".", digits)
  file:write((":%08x %d %d %d %s\n"):format(source, protocol, session, skynet.now(), bytes))
end

-- Begins; nothing changes if it has begun already.
function record.begin()
  if file then
    return
  end
  local folder = skynet.getenv "logpath"
  if not folder then
    error("messages are recorded in the folder of the setting logpath, which is not made", 0)
  end
  local name = ("%s/%08x.log"):format(folder, skynet.self())
  local opened, message = io.open(name, "a")
  if not opened then
    error(("cannot record messages: %s"):format(message), 0)
  end
  file = opened
  file:setvbuf "line"
  file:write(("open time: %d\n"):format(skynet.time() // 1 | 0))
  core.set_record(write)
end

-- Ends.
function record.stop()
  if file then
    core.set_record(nil)
    file:write(("close time: %d\n"):format(skynet.time() // 1 | 0))
    file:close()
    file = nil
  end
end

return record
