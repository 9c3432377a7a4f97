-- Shared dictionaries: what is wrong with arguments and options, and where the program is told.

local check = require "check"
local dictionaries = require "dictionaries"
local shared = require "shared"

local equal, fails, match, refuses, test =
  check.equal, check.fails, check.match, check.refuses, check.test
local are, new = dictionaries.are, dictionaries.new

-- The structured error of an option; its message must contain each of the texts.
local function invalid(option, texts, f, ...)
  local err = fails("invalid_option", f, ...)
  equal(err.option, option)
  equal(err.errno, 22)
  assert(err.expected and err.traceback)
  for _, text in ipairs(texts) do
    if not err.message:find(text, 1, true) then
      error(("no %q in %q"):format(text, err.message), 2)
    end
  end
  return err
end

test("an option of opening says what was given and what is accepted", function()
  local name = dictionaries.name()
  local size = "65536, 64k, 16MiB or 1g"
  for _, value in ipairs { "much", "1.5m", "", 1, -1, 1.5, "4095", "65g", true, {} } do
    local err = invalid("size", { "'create'", size, "4KiB to 64GiB" }, shared.create, name, {
      size = value,
    })
    equal(err.given, value)
  end
  invalid("size", { 'got "1.5m"' }, shared.dict, name, { size = "1.5m" })
  invalid("size", { "is missing", "a new dictionary needs it", size }, shared.create, name)
  invalid("mode", { '"0600"', "got 4095" }, shared.create, name, { size = "64k", mode = 4095 })
  for _, mode in ipairs { "0888", "+600", "rw", 0.5 } do
    invalid("mode", { "octal" }, shared.create, name, { size = "64k", mode = mode })
  end
  for _, shards in ipairs { 3, 0, -1, 65, 128, 1.5, "many" } do
    local texts = { "a power of two from 1 to 64", "got " }
    invalid("shards", texts, shared.create, name, { size = "64k", shards = shards })
  end
  for _, timeout in ipairs { -1, 0 / 0, "soon" } do
    invalid("lock_timeout", { "seconds" }, shared.open, name, { lock_timeout = timeout })
  end
  invalid("file", { "path" }, shared.open, name, { file = 7 })
  local err = invalid("sise", { "unknown option 'sise'", "shards, size" }, shared.dict, name, {
    sise = 1,
  })
  equal(err.expected, "file, lock_timeout, mode, shards, size")
  refuses("table expected", shared.create, name, "64k")
  fails("no_such_object", shared.open, name)
end)

test("sizes are read as on the command line", function()
  local sizes = { ["64k"] = 65536, ["64KiB"] = 65536, ["1m"] = 1 << 20, [8192] = 8192 }
  for text, bytes in pairs(sizes) do
    equal(new(text):capacity(), bytes)
  end
  equal(new("64k", { shards = 4 }):stats().shards, 4)
end)

test("an option of a method is refused with the name of the method", function()
  local dict = new()
  invalid("prefix", { "'keys'", "expected a string, got 5" }, dict.keys, dict, { prefix = 5 })
  invalid("prefx", { "'items'", "unknown option", "prefix" }, dict.items, dict, { prefx = "" })
  invalid("tll", { "'lock'", "timeout, ttl" }, dict.lock, dict, "job", { tll = 1 })
  invalid("ttl", { "'lock'", "got -1" }, dict.lock, dict, "job", { ttl = -1 })
  invalid("timeout", { "'lock'", 'got "1"' }, dict.lock, dict, "job", { timeout = "1" })
  invalid("tll", { "'rpush'", "evict, ttl" }, dict.rpush, dict, "list", 1, { tll = 1 })
  invalid("ttl", { "'lpush'", "got -1" }, dict.lpush, dict, "list", 1, { ttl = -1 })
  invalid("ttl", { "for ever" }, dict.rpush, dict, "list", 1, { ttl = 0 / 0 })
  invalid("evict", { "true or false" }, dict.rpush, dict, "list", 1, { evict = 1 })
  equal(#dict:get_keys(), 0)
end)

-- Runs a line of a program of its own; what it raises, which must point at that line.
local function raised_by(line, dict)
  local program = assert(load("local dict, Dict = ...\n" .. line .. "\nreturn nil", "=program"))
  local ok, err = pcall(program, dict, getmetatable(dict).__index)
  assert(not ok, line)
  local text = tostring(err)
  match(text, "^program:2: ")
  return text
end

test("an argument is refused at the line that called, with the name of the method", function()
  local dict = new()
  local lines = {
    ["dict:keys 'x'"] = "bad argument #1 to 'keys' (table expected, got string)",
    ["dict:items(5)"] = "bad argument #1 to 'items' (table expected, got number)",
    ["dict:lock('k', 5)"] = "bad argument #2 to 'lock' (table expected, got number)",
    ["dict:lock('k', { timeout = -1 })"] = "bad argument #2 to 'lock' (option 'timeout'",
    ["dict:keys { prefix = 5 }"] = "bad argument #1 to 'keys' (option 'prefix': expected a string",
    ["dict:blpop(true)"] = "bad argument #1 to 'blpop' (string expected, got boolean)",
    ["dict:brpop({}, 1)"] = "bad argument #1 to 'brpop' (string expected, got table)",
    ["dict:blpop('k', 'soon')"] = "#2 to 'blpop' (expected seconds from 0 up, got soon)",
    ["dict:wait('k', nil, -1)"] = "bad argument #3 to 'wait' (expected seconds from 0 up, got -1)",
    ["dict:wait('k', 1.5)"] = "bad argument #2 to 'wait' (version expected, got 1.5)",
    ["dict:wait('k', {}, 1)"] = "bad argument #2 to 'wait' (version expected, got table",
    ["dict:update('k', print, 1, {})"] = "bad argument #4 to 'update' (number expected, got table",
    ["dict:update('k')"] = "bad argument #2 to 'update' (function expected, got nil)",
    ["dict:update('k', print, -1)"] = 'bad "exptime" argument',
    ["dict:counter()"] = "bad argument #1 to 'counter' (string expected, got nil)",
    ["dict:counter('c'):add {}"] = "bad argument #1 to 'add' (number expected, got table)",
    ["dict:rpush('k', 1, { ttl = -1 })"] = "bad argument #3 to 'rpush' (option 'ttl'",
    ["require('shared').create('x', { size = 'x' })"] = "#2 to 'create' (option 'size': expected",
  }
  for line, text in pairs(lines) do
    local found = raised_by(line, dict)
    assert(found:find(text, 1, true), found)
  end
end)

test("the methods in Lua raise at once for what is no dictionary", function()
  local dict = new()
  for _, call in ipairs {
    "keys({})",
    "items()",
    "lock(nil, 'k')",
    "wait({}, 'k')",
    "blpop(5, 'k')",
    "brpop()",
    "update({}, 'k', print)",
    "counter({}, 'c')",
  } do
    match(raised_by("Dict." .. call, dict), 'bad "zone" argument$')
  end
end)

test("a push that is asked to throws the oldest entries out", function()
  local dict = new "64k"
  local value, filled = ("x"):rep(900), 0
  while dict:safe_set("fill" .. filled, value) do
    filled = filled + 1
  end
  are({ n = 2, nil, "no memory" }, dict:rpush("list", value, { evict = false }))
  for length = 1, 10 do
    are({ length }, dict:rpush("list", value, { evict = true }))
  end
  equal(dict:llen "list", 10)
  equal(dict:get "fill0", nil)
  equal(dict:get("fill" .. filled - 1), value)
  equal(#dict:check(), 0)
  are({ n = 2, nil, "no memory" }, dict:lpush("list", ("x"):rep(100000), { evict = true }))
  equal(dict:llen "list", 10)
end)

check.done()
