-- The module `skynet.debug`: what every service answers to messages of the protocol "debug".

local skynet = require "skynet"

local module = {}
local command = {}
local commands_of_program = {}
local info

-- Adds a command. Those that every service has stay what they are.
function module.reg_debugcmd(name, f)
  commands_of_program[name] = f
end

-- Sets the function that answers `INFO`.
function module.info_func(f)
  info = f
end

-- Kilobytes of Lua memory.
function command.MEM()
  skynet.retpack(collectgarbage "count")
end

function command.GC()
  local before, began = collectgarbage "count", skynet.hpc()
  collectgarbage "collect"
  local after, seconds = collectgarbage "count", (skynet.hpc() - began) / 1e9
  skynet.error(("GC %.2f Kb -> %.2f Kb, cost %.2f sec"):format(before, after, seconds))
  skynet.retpack(after)
end

function command.STAT()
  skynet.retpack {
    task = skynet.task(),
    mqlen = skynet.stat "mqlen",
    cpu = skynet.stat "cpu",
    message = skynet.stat "message",
  }
end

function command.TASK(session)
  if session then
    skynet.retpack(skynet.task(session))
  else
    local tasks = {}
    skynet.task(tasks)
    skynet.retpack(tasks)
  end
end

function command.UNIQTASK()
  skynet.retpack(skynet.uniqtask())
end

function command.KILLTASK(name)
  local killed = skynet.killthread(name)
  skynet.error(("Kill %s%s"):format(killed or name, killed and "" or " : Not found"))
  if killed then
    skynet.ret()
  else
    skynet.retpack "Not found"
  end
end

function command.INFO(...)
  if info then
    skynet.retpack(info(...))
  else
    skynet.retpack(nil)
  end
end

function command.EXIT()
  skynet.exit()
end

function command.RUN(source, filename, ...)
  local inject = require "skynet.inject"
  local ok, output = inject(source, filename, table.pack(...))
  skynet.retpack(ok, table.concat(output, "\n"))
end

function command.SUPPORT(protocol)
  local ok, handler = pcall(skynet.dispatch, protocol)
  skynet.retpack(ok and handler ~= nil)
end

-- An address is lost: calls to it fail that wait for an answer.
function command.TERM(address)
  skynet.term(address)
  skynet.ret()
  skynet.dispatch "error"(0, address)
end

-- Turns on or off that messages of a protocol, "lua" by default, are traced by log lines.
function command.TRACELOG(protocol, flag)
  if type(protocol) ~= "string" then
    protocol, flag = "lua", protocol
  end
  skynet.error(("Turn trace log %s for %s"):format(flag, protocol))
  skynet.traceproto(protocol, flag)
  skynet.ret()
end

-- Writes down the messages that come to this service, until LOGOFF.
function command.LOGON()
  require("skynet.record").begin()
  skynet.ret()
end

function command.LOGOFF()
  require("skynet.record").stop()
  skynet.ret()
end

function command.PING()
  skynet.ret()
end

-- Never answers: whoever calls is told when this service ends.
function command.LINK()
  module.links = module.links or {}
  table.insert(module.links, skynet.response())
end

-- Handles a message.
function module.dispatch(_, _, name, ...)
  local f = command[name] or commands_of_program[name]
  if not f then
    error(("no debugging command %s"):format(tostring(name)), 0)
  end
  f(...)
end

return module
