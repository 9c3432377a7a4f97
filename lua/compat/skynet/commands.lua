-- The functions of `skynet.core` that programs for skynet call themselves. They do what the
-- functions of `skynet` do, with protocols by number.

local core = ...
local skynet = require "skynet"
require "skynet.manager"

local same = {
  "error",
  "genid",
  "harbor",
  "hpc",
  "now",
  "pack",
  "packstring",
  "redirect",
  "tostring",
  "trash",
  "unpack",
}
for _, name in ipairs(same) do
  core[name] = skynet[name]
end

-- Sends a message and returns its session, a new one for nil; nothing if there is no such service.
-- An answer under such a session goes to the handler that `dispatch_unknown_response` has set.
function core.send(address, protocol, session, msg, sz)
  session = session or skynet.genid()
  return skynet.redirect(address, skynet.self(), protocol, session, msg, sz)
end

-- Logs a line of a trace.
function core.trace(tag, info)
  skynet.tracelog(tag, info)
end

function core.callback()
  error("messages come by skynet.dispatch, and by skynet.filter before that", 2)
end

local function address_text(address)
  return address and skynet.address(address)
end

-- Answers an own session after so many ticks.
local function begin_timeout(ticks)
  local session = skynet.genid()
  skynet.timeout(tonumber(ticks) or 0, function()
    skynet.redirect(skynet.self(), skynet.self(), "response", session, "")
  end)
  return session
end

-- A name as commands return it: without its point.
local function plain(name)
  return (name:gsub("^%.", ""))
end

local function register(name)
  if name and name ~= "" then
    skynet.register(name)
    return plain(name)
  end
  return skynet.address(skynet.self())
end

local function stop(address)
  skynet.kill(address)
end

local commands = {
  ABORT = skynet.abort,
  EXIT = skynet.exit,
  GETENV = skynet.getenv,
  KILL = stop,
  REG = register,
  STARTTIME = skynet.starttime,
  STAT = skynet.stat,
  TIMEOUT = begin_timeout,
}

function commands.LAUNCH(text)
  return address_text(skynet.launch(text))
end

function commands.NAME(text)
  local name, address = text:match "^(%S+)%s+(%S+)$"
  skynet.name(assert(name, "expected a name and an address"), address)
  return plain(name)
end

function commands.QUERY(name)
  return address_text(skynet.localname(name))
end

function commands.SETENV(text)
  skynet.setenv(text:match "^(%S+)%s(.*)$")
end

-- Whoever is asked says in the log why it cannot.
function commands.LOGON(address)
  skynet.send(address, "debug", "LOGON")
end

function commands.LOGOFF(address)
  skynet.send(address, "debug", "LOGOFF")
end

-- Commands of skynet that ask for something which this host has in other ways.
for name, instead in pairs {
  MONITOR = "skynet.monitor",
  SIGNAL = "turns that run too long get an error by themselves",
} do
  commands[name] = function()
    error(("there is no command %s\nhint: %s"):format(name, instead), 0)
  end
end

-- What is no command at all does nothing, as in skynet.
local function run(name, parameter)
  local f = commands[name]
  return f and f(parameter)
end

-- Runs a command with a text; what it returns is a text, or nothing.
function core.command(name, parameter)
  local result = run(name, parameter and tostring(parameter))
  return result ~= nil and tostring(result) or nil
end

-- The same for a number.
function core.intcommand(name, parameter)
  return tonumber(run(name, parameter))
end

-- The same for an address as a number.
function core.addresscommand(name, parameter)
  local result = run(name, parameter)
  local digits = result and result:match "^:(%x+)$"
  return digits and tonumber(digits, 16)
end
