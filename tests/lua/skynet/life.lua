-- A service whose start takes a course that its first argument names.

local skynet = require "skynet"
require "skynet.manager"
local mode, target = ...

-- Answers every request with the same values.
local function answer(...)
  local values = table.pack(...)
  skynet.dispatch("lua", function()
    skynet.retpack(table.unpack(values, 1, values.n))
  end)
end

local course = {}

function course.arguments(_, ...)
  local types = {}
  for i, value in ipairs { ... } do
    types[i] = math.type(value) or type(value)
  end
  answer(#types, table.concat(types, " "))
end

function course.slow()
  answer "starting"
  skynet.sleep(2)
  answer "started"
end

function course.answers_in_start()
  local ok = pcall(skynet.retpack, "too early")
  skynet.sleep(1)
  answer(("%s %d"):format(ok, select("#", skynet.context())))
end

function course.calls_back()
  answer "called back"
  answer(skynet.call(target, "lua"))
end

function course.asks()
  skynet.call(target, "lua")
end

-- Takes the log, and answers its last line.
function course.keeps_log()
  local last
  skynet.register_protocol {
    name = "text",
    id = skynet.PTYPE_TEXT,
    unpack = skynet.tostring,
    dispatch = function(_, _, text)
      last = text
    end,
  }
  skynet.register ".logger"
  skynet.dispatch("lua", function()
    skynet.retpack(last)
  end)
end

function course.plain()
  skynet.info_func(function(...)
    return "info " .. tostring(...)
  end)
  require("skynet.debug").reg_debugcmd("own", function(n)
    skynet.retpack("own command " .. n)
  end)
  require("skynet.debug").reg_debugcmd("PING", error)
  answer "plain"
end

-- Computes for a third of a second.
function course.busy()
  skynet.dispatch("lua", function()
    local stop = skynet.hpc() + 300e6
    repeat
    until skynet.hpc() > stop
  end)
end

function course.inject()
  local counters = { n = 1 }
  skynet.dispatch("lua", function()
    counters.n = counters.n + 1
    skynet.retpack(assert(counters.n))
  end)
end

function course.fails_in_start()
  error "in the start"
end

function course.exits_in_start()
  skynet.exit()
end

function course.kills_itself()
  skynet.kill(skynet.self())
  skynet.fork(skynet.send, target, "lua", "fork")
  skynet.send(target, "lua", "killed")
end

function course.exits_in_fork()
  skynet.timeout(2, function()
    skynet.fork(function()
      skynet.send(target, "lua", "exits")
      skynet.exit()
    end)
    skynet.fork(skynet.send, target, "lua", "never")
  end)
end

-- Leaves in a task, while messages wait that others would handle.
function course.exits_before_messages()
  local function never(what)
    skynet.send(target, "lua", "never " .. what)
  end
  skynet.fork(function()
    skynet.call(target, "lua", "asks")
    never "answer"
  end)
  skynet.timeout(0, function()
    never "timer"
  end)
  skynet.fork(function()
    skynet.yield()
    never "yield"
  end)
  skynet.fork(function()
    local stop = skynet.hpc() + 2e7
    repeat
    until skynet.hpc() > stop -- until the answer and the timer wait
    skynet.send(target, "lua", "exits")
    skynet.exit()
  end)
end

-- Asks for the handler of debugging commands before any has come: that runs code of the program.
function course.wraps_require()
  local original = require
  function require(...) -- luacheck: ignore
    skynet.dispatch("lua", function()
      skynet.retpack "registered"
    end)
    return original(...)
  end
  local handler = skynet.dispatch "debug"
  skynet.send(target, "lua", type(handler))
end

local function on_close(what)
  return setmetatable({}, {
    __close = function()
      skynet.send(target, "lua", what)
    end,
  })
end

-- Exits with the first request, while another task waits.
function course.open()
  skynet.dispatch("lua", function()
    local _ <close> = on_close "exits"
    skynet.exit()
  end)
  skynet.fork(function()
    local _ <close> = on_close "waits"
    skynet.wait()
  end)
end

function course.init() end

function course.late_init()
  local order = require "skynet.late"
  order[#order + 1] = "required"
  answer(table.concat(order, " "))
end

if mode == "fails_in_file" then
  error "in the file"
elseif mode == "init" then
  local order = {}
  for _, name in ipairs { "one", "two" } do
    skynet.init(function()
      skynet.sleep(1)
      order[#order + 1] = name
    end)
  end
  function course.init()
    order[#order + 1] = "start"
    answer(table.concat(order, " "))
  end
end

if mode == "early" then
  local order = {}
  skynet.init(function()
    order[#order + 1] = "init"
  end)
  skynet.dispatch("lua", function(_, _, what)
    order[#order + 1] = what
  end)
  skynet.send(skynet.self(), "lua", "message")
  skynet.timeout(0, function()
    order[#order + 1] = "timer"
  end)
  skynet.fork(function()
    order[#order + 1] = "fork"
  end)
  function course.early()
    order[#order + 1] = "start"
    answer(table.concat(order, " "))
  end
end

local arguments = table.pack(...)
skynet.start(function()
  course[mode](table.unpack(arguments, 1, arguments.n))
end)
