-- Every way to wait for long, for the suite of deadlines: `wait(way, echo)` tells how it ended.

local hive = require "hive"

local last

local ways = {
  call = function(echo)
    hive.call(echo, "sleep", 60)
  end,
  method = function(echo)
    echo:sleep(60)
  end,
  longer_timeout = function(echo)
    hive.call({ echo, timeout = 60 }, "sleep", 60)
  end,
  sleep = function()
    hive.sleep(60)
  end,
  wait = function()
    hive.wait({}, 60)
  end,
  scope = function()
    hive.timeout(60, hive.sleep, 60)
  end,
  coroutine = function(echo)
    coroutine.wrap(echo.sleep)(echo, 60)
  end,
  select = function(echo)
    local calls <close> = hive.select { { echo, "sleep", 60, timeout = 60 } }
    local _, _, err = calls()
    error(err)
  end,
  gather = function(echo)
    local _, errors = hive.gather({ { echo, "sleep", 60 } }, 60)
    error(errors and errors[1])
  end,
  spawn = function()
    hive.spawn("service.sleeping", 60)
  end,
  unique = function()
    hive.unique("service.sleeping", 60)
  end,
  supervise = function()
    hive.supervise { { "service.sleeping", 60 } }
  end,
  group = function(echo)
    local group = hive.group "deadlines"
    group:join(echo)
    group:call("sleep", 60)
  end,
  queue = function()
    local queue = hive.queue()
    hive.fork(queue, hive.sleep, 60)
    hive.sleep(0)
    queue(function() end)
  end,
  require = function()
    require "module.sleeping"
  end,
  deeper = function(echo)
    echo:ask(echo, "sleep", 60)
  end,
}

return {
  names = function()
    local names = {}
    for name in pairs(ways) do
      names[#names + 1] = name
    end
    return names
  end,
  wait = function(way, echo)
    last = nil
    local began = hive.now()
    local ok, err = pcall(ways[way], echo)
    last = { ok = ok, code = err.code or tostring(err), took = hive.now() - began }
  end,
  last = function()
    return last
  end,
}
