-- compat.ngx: what libraries for nginx find around them, in a service: the global `ngx` with time,
-- tasks, log and shared dictionaries over `hive` and `shared`, and the modules of LuaJIT that they
-- require. `docs/shared-dictionaries.md` says which libraries run on it.
--
-- A service counts as a worker. What has to do with requests and sockets is missing: it is nil.

local hive = require "hive"
local shared = require "hive.shared"

local error, pcall, tostring, type = error, pcall, tostring, type
local floor = math.floor
local pack, table_unpack = table.pack, table.unpack

local compat = {}

-- Clocks of nginx count milliseconds.
local MILLISECONDS = 1000
-- Addresses of services are less than this.
local ADDRESSES = 1 << 32
-- The version of the module of nginx whose methods dictionaries have.
local MODULE_VERSION = 10023

local ngx = {
  OK = 0,
  ERROR = -1,
  AGAIN = -2,
  DONE = -4,
  DECLINED = -5,
  STDERR = 0,
  EMERG = 1,
  ALERT = 2,
  CRIT = 3,
  ERR = 4,
  WARN = 5,
  NOTICE = 6,
  INFO = 7,
  DEBUG = 8,
  null = setmetatable({}, {
    __tostring = function()
      return "userdata: NULL"
    end,
  }),
  shared = {},
  config = { debug = false, subsystem = "http", ngx_lua_version = MODULE_VERSION },
  sleep = hive.sleep,
}

-- Seconds since 1970, to the millisecond.
function ngx.now()
  return floor(hive.time() * MILLISECONDS) / MILLISECONDS
end

-- Whole seconds since 1970.
function ngx.time()
  return floor(hive.time())
end

-- Clocks do not stand still here.
function ngx.update_time() end

-- A phase in which everything may be called that is there.
function ngx.get_phase()
  return "timer"
end

local function log_of(level)
  local log = hive.log
  if level <= ngx.ERR then
    return log.error
  elseif level == ngx.WARN then
    return log.warn
  end
  return level < ngx.DEBUG and log.info or log.debug
end

-- Writes a line to the log of the host: the texts of all arguments, one after the other.
function ngx.log(level, ...)
  local texts = pack(...)
  for index = 1, texts.n do
    texts[index] = tostring(texts[index])
  end
  log_of(level)(table.concat(texts))
end

-- What a service is among all workers of the machine.
local worker = {}
ngx.worker = worker

local number

-- A number that no other service of the machine has, of this process or another one.
function worker.pid()
  if not number then
    local file <close> = assert(io.open "/proc/self/stat")
    local address = tostring(hive.self()):match ":(%x+)$"
    number = file:read "n" * ADDRESSES + tonumber(address, 16)
  end
  return number
end

function worker.id()
  return 0
end

function worker.count()
  return 1
end

function worker.exiting()
  return false
end

-- A task under way, or its results.
local Thread = {}
Thread.__index = Thread

local function finish(thread, ...)
  thread.results = thread.results or pack(...)
  for waiter in pairs(thread.waiters) do
    hive.wakeup(waiter)
  end
end

local function run(thread, f, ...)
  finish(thread, pcall(f, ...))
end

local threads = {}
ngx.thread = threads

-- Runs a function in a task of its own, which begins when this one waits.
function threads.spawn(f, ...)
  local thread = setmetatable({ waiters = {} }, Thread)
  thread.task = hive.fork(run, thread, f, ...)
  return thread
end

local function first_ended(list)
  for _, thread in ipairs(list) do
    if getmetatable(thread) ~= Thread then
      error("attempt to wait on a coroutine that is not a user thread", 3)
    elseif thread.results then
      return thread
    end
  end
end

-- Waits until one of the tasks has ended: true and its results, or false and its error.
function threads.wait(...)
  local list, waiter = { ... }, {}
  local ended = first_ended(list)
  while not ended do
    for _, thread in ipairs(list) do
      thread.waiters[waiter] = true
    end
    hive.wait(waiter)
    ended = first_ended(list)
  end
  for _, thread in ipairs(list) do
    thread.waiters[waiter] = nil
  end
  return table_unpack(ended.results, 1, ended.results.n)
end

-- Ends a task: true, or nil and why it could not be.
function threads.kill(thread)
  if thread.results then
    return nil, "already terminated"
  end
  finish(thread, false, "killed")
  thread.task:cancel()
  return true
end

local timer = {}
ngx.timer = timer

-- Runs a function once, or again and again; its first argument says whether the host ends, which it
-- never does: the task is dropped then.
function timer.at(delay, f, ...)
  hive.after(delay, f, false, ...)
  return true
end

function timer.every(delay, f, ...)
  hive.every(delay, f, false, ...)
  return true
end

local function new_table()
  return {}
end

local function clear_table(t)
  for key in pairs(t) do
    t[key] = nil
  end
end

-- What resty.core adds to nginx the dictionaries have already.
local MODULES = {
  ["resty.core"] = new_table,
  ["resty.core.shdict"] = new_table,
  ffi = function()
    return require "compat.ngx.ffi"
  end,
  ["table.new"] = function()
    return new_table
  end,
  ["table.clear"] = function()
    return clear_table
  end,
}

-- Makes `ngx` and `jit` globals of this service, and lets `require` find ffi, table.new,
-- table.clear and resty.core unless the program brings its own. The dictionaries are those of
-- `ngx.shared`: each open, or the options by which `shared.dict` opens it. Returns `ngx`.
function compat.install(dictionaries)
  for name, dict in pairs(dictionaries or {}) do
    local kind = type(dict)
    if kind ~= "table" and kind ~= "userdata" then
      local text = "dictionary '%s': expected a dictionary or options, got %s"
      error(text:format(tostring(name), kind), 2)
    end
    ngx.shared[name] = kind == "table" and shared.dict(name, dict) or dict
  end
  for name, load in pairs(MODULES) do
    package.preload[name] = package.preload[name] or load
  end
  local globals = _G
  globals.ngx = ngx
  globals.jit = globals.jit or { version = _VERSION, version_num = 0, status = new_table }
  return ngx
end

return compat
