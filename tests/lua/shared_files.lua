-- Shared dictionaries in files, and what writes to files.

local check = require "check"
local dictionaries = require "dictionaries"
local hive = require "hive"
local shared = require "shared"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test
local are = dictionaries.are

-- A path where nothing is; `close` removes what has come there.
local function path()
  local name = os.tmpname()
  os.remove(name)
  return setmetatable({ name = name }, {
    __close = function()
      os.remove(name)
    end,
  })
end

test("a dictionary in a file is found by the path of the file", function()
  local file <close> = path()
  local dict, is_new = shared.dict("kept", { file = file.name, size = "64k" })
  equal(is_new, true)
  equal(dict:name(), "kept")
  dict:set("key", { 1, 2 }, 0, 3)
  equal(dict:sync(), true)
  local same, made = shared.dict("other", { file = file.name })
  equal(made, false)
  equal(same:get("key")[2], 2)
  are({ n = 3, 1, nil, false }, same:incr("n", 1, 0))
  are({ 1 }, dict:get "n")
  fails("already_exists", shared.create, "kept", { file = file.name, size = "64k" })
  equal(#dict:check(), 0)
end)

test("a dictionary in a file outlives all who have it open", function()
  local file <close> = path()
  local dict = shared.create("kept", { file = file.name, size = "64k" })
  dict:set("key", "kept")
  dict = nil
  collectgarbage()
  are({ "kept" }, shared.open("kept", { file = file.name }):get "key")
end)

test("what is no dictionary, and what is not there, is refused", function()
  local file <close> = path()
  match(fails("no_such_object", shared.open, "kept", { file = file.name }).message, file.name)
  fails("system", shared.create, "kept", { file = "/no/such/folder/file", size = "64k" })
  fails("invalid_name", shared.create, "kept", { file = "/tmp/", size = "64k" })
  fails("invalid_name", shared.open, "a/b", { file = file.name })
  refuses("makes no sense", shared.open, "kept", { file = {} })
  local out = assert(io.open(file.name, "w"))
  out:write(("x"):rep(5000))
  out:close()
  fails("wrong_magic", shared.open, "kept", { file = file.name })
end)

test("a coroutine that waits for a file lets others go on", function()
  local file <close> = path()
  local steps = 0
  local task = hive.fork(function()
    while true do
      steps = steps + 1
      hive.sleep(0)
    end
  end)
  local dict = shared.create("kept", { file = file.name, size = "1m" })
  for i = 1, 20 do
    dict:set("key", i)
    dict:sync()
  end
  task:cancel()
  assert(steps > 20, steps)
end)

check.done()
