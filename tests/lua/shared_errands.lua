-- Shared dictionaries: looking at all of one lets others go on. The host of this suite has one
-- worker.

local check = require "check"
local dictionaries = require "dictionaries"
local hive = require "hive"
local shared = require "shared"

local equal, match, test = check.equal, check.match, check.test
local are, new = dictionaries.are, dictionaries.new

-- Enough to look at for longer than a turn takes.
local ENTRIES = 20000
local SURVEYORS = 10

local function filled()
  local dict = new "8m"
  for i = 1, ENTRIES do
    dict:set("key" .. i, i)
  end
  return dict
end

-- A dictionary that services find by its name, which goes away after `use`.
local function with_named(use)
  local name = dictionaries.name()
  local dict = shared.create(name, { size = "1m" })
  local ok, err = xpcall(use, debug.traceback, dict, name)
  shared.unlink(name)
  assert(ok, err)
end

test("a healthy dictionary has no findings, and repair changes nothing", function()
  local dict = new()
  dict:set("key", 1)
  dict:rpush("list", "a")
  equal(#dict:check(), 0)
  equal(dict:repair(), true)
  are({ 1 }, dict:get "key")
  are({ "a" }, dict:lpop "list")
  local stats = dict:stats()
  equal(stats.repairs, stats.shards)
end)

-- Writes over bytes of a dictionary behind its back.
local function damage(name, before, after)
  local file <close> = assert(io.open("/dev/shm/moonhive." .. name, "r+b"))
  local at = assert(file:read("a"):find(before, 1, true))
  file:seek("set", at - 1)
  file:write(after)
end

test("damage is told, and repair drops what is damaged", function()
  with_named(function(dict, name)
    dict:set("good", "kept")
    dict:set("bad", "bytes of a value")
    damage(name, "bytes of a value", "other bytes here")
    local findings = dict:check()
    match(findings[1], "^shard %d+, cell %d+: a wrong checksum$")
    equal(dict:repair(), true)
    equal(#dict:check(), 0)
    are({ n = 1, nil }, dict:get "bad")
    are({ "kept" }, dict:get "good")
  end)
end)

test("both work where the coroutine cannot wait", function()
  local dict = new()
  local probe = setmetatable({}, {
    __index = function(_, method)
      return dict[method](dict)
    end,
  })
  local results = {}
  table.sort({ 1, 2 }, function(a, b)
    results.findings, results.repaired = probe.check, probe.repair
    return a < b
  end)
  equal(#results.findings, 0)
  equal(results.repaired, true)
end)

test("the only worker runs other services while a dictionary is looked at", function()
  with_named(function(seen, name)
    local large = filled()
    local service = hive.spawn("service/stepping", name)
    for steps, method in ipairs { "check", "repair" } do
      hive.send(service, "step")
      large[method](large)
      are({ steps }, seen:get "steps")
    end
  end)
end)

test("services killed meanwhile harm nobody", function()
  with_named(function(dict, name)
    for i = 1, 1000 do
      dict:set("key" .. i, i)
    end
    local services = {}
    for i = 1, SURVEYORS do
      services[i] = hive.spawn("service/surveyor", name)
      hive.send(services[i], "run")
    end
    local _, version = dict:wait("rounds", nil, 30)
    assert(version, "nobody gets anything done")
    -- This service runs, so on the only worker all of them wait for a check or a repair.
    for _, service in ipairs(services) do
      hive.kill(service)
    end
    equal(#dict:check(), 0)
    equal(dict:repair(), true)
    for i = 1, 1000 do
      are({ i }, dict:get("key" .. i))
    end
  end)
end)

check.done()
