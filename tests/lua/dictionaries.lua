-- What the suites of shared dictionaries have in common: dictionaries that go away by themselves,
-- and comparing all results of a call.

local hive = require "hive"
local shared = require "shared"

local dictionaries = {}

local count = 0

-- A name that no other test has.
function dictionaries.name()
  count = count + 1
  return ("test-%d-%d-%s"):format(os.time(), count, tostring({}):match "0x(%x+)")
end

-- A dictionary without a name: it ends with the last one who has it open.
function dictionaries.new(size, options)
  local name = dictionaries.name()
  options = options or {}
  options.size = size or "64k"
  local dict = shared.create(name, options)
  assert(shared.unlink(name))
  return dict
end

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

-- Compares all results of a call with those expected: `are({ n = 2, nil, "exists" }, ...)`.
function dictionaries.are(expected, ...)
  local found = table.pack(...)
  local n = expected.n or #expected
  local same = found.n == n
  for i = 1, n do
    same = same and (found[i] == expected[i])
  end
  if not same then
    local texts = {}
    for i = 1, found.n do
      texts[i] = show(found[i])
    end
    local wanted = {}
    for i = 1, n do
      wanted[i] = show(expected[i])
    end
    local text = "expected (%s), found (%s)"
    error(text:format(table.concat(wanted, ", "), table.concat(texts, ", ")), 2)
  end
end

-- Waits until an entry has expired.
function dictionaries.expired(dict, key)
  local deadline = hive.now() + 10
  while dict:version(key) do
    assert(hive.now() < deadline, "the entry does not expire")
    hive.sleep(0.001)
  end
end

return dictionaries
