-- Shared dictionaries in files, and what writes to files.

local check = require "check"
local dictionaries = require "dictionaries"
local hive = require "hive"
local shared = require "shared"

local equal, fails, match, test = check.equal, check.fails, check.match, check.test
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
  local function store()
    shared.create("kept", { file = file.name, size = "64k" }):set("key", "kept")
  end
  store()
  collectgarbage()
  are({ "kept" }, shared.open("kept", { file = file.name }):get "key")
end)

test("what is no dictionary, and what is not there, is refused", function()
  local file <close> = path()
  match(fails("no_such_object", shared.open, "kept", { file = file.name }).message, file.name)
  fails("system", shared.create, "kept", { file = "/no/such/folder/file", size = "64k" })
  fails("invalid_name", shared.create, "kept", { file = "/tmp/", size = "64k" })
  fails("invalid_name", shared.open, "a/b", { file = file.name })
  equal(fails("invalid_option", shared.open, "kept", { file = {} }).option, "file")
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

-- Every kind of value, in a dictionary without a file.
local function filled()
  local dict = dictionaries.new()
  dict:set("table", { 1, x = "y" })
  dict:set("bytes\255", "\0\255", 100, 3)
  dict:set("integer", math.maxinteger)
  dict:set("float", 1 / 0)
  dict:rpush("list", "a")
  dict:rpush("list", 2)
  return dict
end

test("what was saved is loaded as it was", function()
  local file <close> = path()
  equal(filled():save(file.name), 5)
  local dict = dictionaries.new()
  dict:set("stays", 1)
  dict:set("integer", "replaced")
  equal(dict:load(file.name), 5)
  equal(dict:get("table").x, "y")
  are({ "\0\255", 3 }, dict:get "bytes\255")
  assert(dict:ttl "bytes\255" > 90)
  equal(math.type(dict:get "integer"), "integer")
  are({ 1 / 0 }, dict:get "float")
  equal(#dict:lrange "list", 2)
  are({ 1 }, dict:get "stays")
end)

test("a save replaces the file as a whole, or leaves it", function()
  local file <close> = path()
  local dict = filled()
  dict:save(file.name)
  dict:delete "table"
  equal(dict:save(file.name), 4)
  equal(dictionaries.new():load(file.name), 4)
  match(fails("system", dict.save, dict, "/no/such/folder/file").message, "^cannot write /no/such")
  fails("system", dict.save, dict, "/tmp")
  fails("system", dict.save, dict, "")
end)

test("what has no lines is no dump, however much there is of it", function()
  local dict = dictionaries.new()
  local message = fails("bad_dump", dict.load, dict, "/dev/zero").message
  equal(message, "/dev/zero:1: column 1: no JSON: it has a byte 0x00; nothing was loaded")
end)

-- A pipe with a name; `close` removes it.
local function pipe()
  local made = path()
  assert(os.execute("mkfifo " .. made.name))
  return made
end

test("pipes without another end keep nobody else from loading and saving", function()
  local unwritten <close> = pipe()
  local unread <close> = pipe()
  local whole <close> = pipe()
  local file <close> = path()
  local dict = filled()
  for _ = 1, 4 do
    fails("timeout", hive.timeout, 0.01, dict.load, dict, unwritten.name)
    fails("timeout", hive.timeout, 0.01, dict.save, dict, unread.name)
  end
  equal(hive.timeout(10, dict.save, dict, file.name), 5)
  local other = dictionaries.new()
  local count
  local loading = hive.fork(function()
    count = other:load(whole.name)
  end)
  equal(hive.timeout(10, dict.save, dict, whole.name), 5)
  for _ = 1, 1000 do
    if count then
      break
    end
    hive.sleep(0.01)
  end
  equal(count, 5)
  equal(loading:cancel(), false)
end)

test("what cannot be loaded is named", function()
  local file <close> = path()
  local dict = dictionaries.new()
  match(fails("system", dict.load, dict, file.name).message, "^cannot read " .. file.name)
  local function written(text)
    local out = assert(io.open(file.name, "w"))
    out:write(text)
    out:close()
  end
  written '{"key":"a","type":"integer","value":1}\n{"key":"b"}\n'
  local message = fails("bad_dump", dict.load, dict, file.name).message
  match(message, file.name .. ":2: `type` is missing; nothing was loaded$")
  are({ n = 1, nil }, dict:get "a")
  written "\255\n"
  match(fails("bad_dump", dict.load, dict, file.name).message, ":1: it is no UTF%-8")
  local function entry(key, size)
    return ('{"key":"%s","type":"string","value":"%s"}\n'):format(key, ("x"):rep(size))
  end
  written(entry("a", 1) .. entry("b", 1 << 20) .. entry("c", 1))
  message = fails("no_memory", dict.load, dict, file.name).message
  match(message, ":2: no memory; 1 entry was loaded$")
  are({ "x" }, dict:get "a")
  are({ n = 1, nil }, dict:get "c")
end)

test("a save that nobody waits for any more leaves nothing", function()
  local file <close> = path()
  local dict = dictionaries.new "32m"
  for i = 1, 20000 do
    dict:set("key" .. i, ("x"):rep(100))
  end
  local ended = pcall(hive.timeout, 0.001, dict.save, dict, file.name)
  equal(ended, false)
  hive.sleep(0.1)
  equal(io.open(file.name), nil)
  equal(dict:save(file.name), 20000)
end)

check.done()
