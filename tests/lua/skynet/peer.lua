-- A service that does what the suites for skynet ask it to.

local skynet = require "skynet"
require "skynet.manager"

local command = {}

function command.echo(...)
  skynet.retpack(...)
end

function command.tell(to, ...)
  skynet.send(to, "lua", ...)
end

function command.raise(...)
  error(...)
end

function command.raise_table()
  error { reason = "a table" }
end

function command.forget() end

function command.exit()
  skynet.exit()
end

-- Keeps its worker busy, and counts what came meanwhile.
function command.compute(seconds)
  local deadline = os.clock() + seconds
  while os.clock() < deadline do
  end
  command.ticks = 0
end

function command.tick()
  command.ticks = command.ticks + 1
end

function command.tell_ticks()
  skynet.retpack(command.ticks)
end

-- Never answers; ends with the service.
function command.hang()
  skynet.wait()
end

function command.late(ticks, ...)
  local respond, values = skynet.response(), table.pack(...)
  skynet.timeout(ticks, function()
    respond(true, table.unpack(values, 1, values.n))
  end)
end

function command.refuse(reason)
  skynet.response()(false, reason)
end

-- Keeps the answer, and tells later what became of it.
function command.keep()
  command.kept = skynet.response()
end

function command.test_kept()
  skynet.retpack(command.kept "TEST")
end

function command.answer_kept(...)
  skynet.retpack(command.kept(true, ...))
end

function command.drop_kept()
  command.kept = nil
  collectgarbage()
  collectgarbage()
  skynet.retpack(true)
end

function command.answer_twice()
  skynet.retpack "first"
  command.second = table.pack(pcall(skynet.retpack, "second"))
end

function command.second_answer()
  skynet.retpack(table.unpack(command.second, 1, 2))
end

function command.from_fork()
  skynet.fork(function()
    command.second = table.pack(pcall(skynet.retpack, "from a fork"))
  end)
  skynet.retpack "from the handler"
end

function command.who()
  skynet.retpack(skynet.context())
end

-- One-way messages are counted, and what `ret` says of them.
local counted, returned = 0, nil
function command.count()
  counted = counted + 1
  returned = skynet.retpack "nobody reads this"
end

function command.counted()
  skynet.retpack(counted, returned)
end

-- Passes a request on in the name of whoever sent it.
function command.pass_on(target, ...)
  local session, source = skynet.context()
  skynet.redirect(target, source, "lua", session, skynet.pack(...))
  skynet.ignoreret()
end

function command.ignore_then_answer(...)
  local session, source = skynet.context()
  skynet.ignoreret()
  local values = table.pack(...)
  skynet.fork(function()
    skynet.redirect(source, 0, "response", session, skynet.pack(table.unpack(values, 1, values.n)))
  end)
end

function command.ignore()
  skynet.ignoreret()
end

-- Lets whoever calls wait for the end of this service.
function command.watch()
  skynet.response()
  skynet.ignoreret()
end

-- Says that the answer comes by other ways, and gives it after all.
function command.ignore_and_keep()
  command.kept = skynet.response()
  skynet.ignoreret()
end

function command.collect()
  collectgarbage()
  collectgarbage()
  skynet.retpack()
end

function command.tag()
  skynet.retpack(skynet.tracetag())
end

-- Uses memory up to the limit.
function command.grow(limit)
  skynet.memlimit(limit)
  local list = {}
  for i = 1, limit do
    list[i] = { i }
  end
  skynet.retpack(#list)
end

function command.messages()
  skynet.retpack(skynet.messages())
end

skynet.start(function()
  skynet.dispatch("lua", function(_, _, name, ...)
    command[name](...)
  end)
end)
