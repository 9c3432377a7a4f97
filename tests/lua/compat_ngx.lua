-- What libraries for nginx find in a service: the global ngx, and as much of ffi as they use.
local check = require "check"
local compat = require "compat.ngx"
local hive = require "hive"
local shared = require "shared"

local equal, match, test = check.equal, check.match, check.test

local DICTIONARY = "compat-ngx-" .. math.random(1 << 30)
local _ <close> = setmetatable({}, {
  __close = function()
    shared.unlink(DICTIONARY)
    shared.unlink(DICTIONARY .. "-made")
  end,
})

local function fails(text, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "expected an error")
  match(tostring(err), text)
end

test("requiring the module changes nothing, installing it does", function()
  equal(rawget(_G, "ngx"), nil)
  equal(pcall(require, "ffi"), false)
  local open = shared.create(DICTIONARY, { size = "64k" })
  local ngx = compat.install {
    open = open,
    [DICTIONARY .. "-made"] = { size = "64k" },
  }
  equal(rawget(_G, "ngx"), ngx)
  equal(ngx.shared.open, open)
  equal(ngx.shared[DICTIONARY .. "-made"]:set("key", 1), true)
  equal(ngx.shared.none, nil)
  equal(require "ffi", require "compat.ngx.ffi")
  equal(next(require "table.new"(3, 2)), nil)
  local full = { 1, 2, a = 3 }
  require "table.clear"(full)
  equal(next(full), nil)
  equal(type(require "resty.core.shdict"), "table")
  equal(compat.install(), ngx)
  fails("'x': expected a dictionary or options, got string", compat.install, { x = "1m" })
end)

local ngx = compat.install()
local ffi = require "ffi"

test("clocks count from 1970, by the millisecond and by the second", function()
  local before, now, time = hive.time(), ngx.now(), ngx.time()
  assert(now > before - 0.002 and now < before + 5)
  assert(math.abs(now * 1000 - math.floor(now * 1000 + 0.5)) < 0.001)
  equal(math.type(time), "integer")
  assert(time >= math.floor(before) and time <= now + 1)
  ngx.update_time()
  local began = hive.now()
  ngx.sleep(0.01)
  assert(hive.now() - began >= 0.01)
end)

test("a service is a worker with a number of its own", function()
  local own = ngx.worker.pid()
  equal(math.type(own), "integer")
  equal(ngx.worker.pid(), own)
  local other = hive.spawn "service/compat_worker"
  local theirs = other:number()
  assert(theirs ~= own)
  equal(theirs >> 32, own >> 32)
  hive.stop(other)
  equal(ngx.worker.id(), 0)
  equal(ngx.worker.count(), 1)
  equal(ngx.worker.exiting(), false)
end)

test("a line of the log takes any values", function()
  ngx.log(ngx.DEBUG, "a ", nil, " b ", 5, true, ngx.null)
  for level = ngx.STDERR, ngx.DEBUG do
    ngx.log(level, "level ", level)
  end
end)

test("threads run beside each other, and the first that ends is waited for", function()
  local thread = ngx.thread
  local slow = thread.spawn(function()
    ngx.sleep(60)
  end)
  local quick = thread.spawn(function(...)
    ngx.sleep(0.005)
    return "quick", ...
  end, nil, 5)
  local results = table.pack(thread.wait(slow, quick))
  equal(results.n, 4)
  equal(results[1], true)
  equal(results[2], "quick")
  equal(results[4], 5)
  equal(select(2, thread.wait(quick)), "quick")
  equal(thread.kill(slow), true)
  equal(thread.wait(slow), false)
  equal(thread.kill(slow), nil)
  local ok, err = thread.wait(thread.spawn(error, "broken", 0))
  equal(ok, false)
  equal(err, "broken")
  fails("not a user thread", thread.wait, {})
end)

test("everyone who waits for a thread is told of its end, a kill included", function()
  local thread, told = ngx.thread, 0
  local for_ever = thread.spawn(function()
    ngx.sleep(60)
  end)
  local waiters = {}
  for index = 1, 3 do
    waiters[index] = thread.spawn(function()
      equal(thread.wait(for_ever), false)
      told = told + 1
    end)
  end
  ngx.sleep(0.005)
  thread.kill(for_ever)
  for _, waiter in ipairs(waiters) do
    equal(thread.wait(waiter), true)
  end
  equal(told, 3)
end)

test("timers say first that nothing is premature", function()
  local premature, argument
  equal(
    ngx.timer.at(0, function(...)
      premature, argument = ...
      hive.wakeup "timer"
    end, "x"),
    true
  )
  assert(hive.wait("timer", 10))
  equal(premature, false)
  equal(argument, "x")
  local times = 0
  ngx.timer.every(0.002, function(is_premature, what)
    assert(is_premature == false and what == "y")
    times = times + 1
    hive.wakeup "timer"
  end, "y")
  assert(hive.wait("timer", 10) and hive.wait("timer", 10))
  assert(times >= 2)
end)

test("structures have the layout of C", function()
  local sizes = {
    ["struct { char a; }"] = 1,
    ["struct { char a; int b; }"] = 8,
    ["struct { int b; char a; }"] = 8,
    ["struct { char a; double b; char c; }"] = 24,
    ["struct { unsigned char a, b; unsigned short c; int8_t d; }"] = 6,
    ["struct { uint32_t a; unsigned long long b; /* c */ float c; }"] = 24,
    ["struct { int *p; bool r; }"] = 16,
    ["unsigned long int"] = 8,
    ["long"] = 8,
    ["unsigned"] = 4,
    ["size_t"] = 8,
    ["double"] = 8,
  }
  for text, size in pairs(sizes) do
    equal(ffi.sizeof(text), size)
  end
  equal(ffi.sizeof(ffi.typeof "struct { int a; }[?]", 5), 20)
  equal(ffi.sizeof "struct { int a; }[3]", 12)
end)

test("fields hold what their types can", function()
  local object = ffi.new("struct { int8_t a; uint8_t b; int32_t c; uint64_t d; double e; bool f; }")
  equal(object.a, 0)
  object.a, object.b, object.c, object.d, object.e, object.f = 200, -1, -7.9, 2 ^ 40 + 0.5, 1, true
  equal(object.a, -56)
  equal(object.b, 255)
  equal(object.c, -7)
  equal(object.d, 1 << 40)
  equal(math.type(object.e), "float")
  equal(object.f, 1)
  object.c = 2 ^ 32 + 5
  equal(object.c, 5)
  object.d = 1e300
  equal(math.type(object.d), "integer")
  fails("cannot convert string", function()
    object.a = "x"
  end)
  fails("has no field 'z'", function()
    return object.z
  end)
  fails("has no field 'z'", function()
    object.z = 1
  end)
end)

test("a structure goes into a string and comes back", function()
  ffi.cdef [[
    struct compat_record {
      unsigned long excess; /* thousandths */
      uint64_t last;
    };
  ]]
  local size = ffi.sizeof "struct compat_record"
  equal(size, 16)
  local record = ffi.new("struct compat_record", { excess = 2500, last = 1700000000123 })
  local text = ffi.string(record, size)
  equal(text, string.pack("<I8I8", 2500, 1700000000123))
  local seen = ffi.cast("const struct compat_record*", text)
  equal(tonumber(seen.excess), 2500)
  equal(seen.last, 1700000000123)
  record.last = seen.last + 0.7
  equal(record.last, 1700000000123)
  equal(ffi.string("text", 2), "te")
  equal(ffi.istype("struct compat_record", seen), true)
  equal(ffi.istype("struct compat_record", text), false)
  equal(ffi.cast("struct compat_record *", "\1").excess, 1)
  fails("17 bytes of 16", ffi.string, record, 17)
  local positional = ffi.typeof "struct compat_record"(3, 4)
  equal(positional.last, 4)
end)

test("a list goes through an array by its pointers", function()
  ffi.cdef [[
    typedef struct compat_node_s compat_node_t;
    struct compat_node_s { double key; compat_node_t *next; compat_node_t *prev; };
  ]]
  local nodes = ffi.new(ffi.typeof "compat_node_t[?]", 4)
  equal(nodes[0], nodes)
  equal(nodes + 2, nodes[2])
  equal(nodes[1] + 1, nodes[2])
  for index = 0, 3 do
    nodes[index].key = index
    nodes[index].next = nodes[(index + 1) % 4]
  end
  equal(nodes[3].next, nodes)
  equal(nodes.next.next.key, 2.0)
  equal(nodes[1].prev, nil)
  local number = ffi.typeof "uintptr_t"
  local function address(node)
    return tonumber(ffi.cast(number, node))
  end
  equal(address(nodes[3]) - address(nodes), 3 * ffi.sizeof "compat_node_t")
  assert(address(ffi.new "compat_node_t") ~= address(nodes))
  ffi.fill(nodes, ffi.sizeof("compat_node_t") * 2, 0)
  equal(nodes[1].next, nil)
  equal(nodes[2].next, nodes[3])
  fails("place 4 of an array of 4", function()
    return nodes[4]
  end)
  fails("place 0.5 of an array of 4", function()
    return nodes[0.5]
  end)
  fails("compat_ngx.lua:%d+: ffi: cannot convert number", function()
    nodes[0].next = 5
  end)
end)

test("a structure has methods, and a finalizer that ends what it stands for", function()
  local ended = {}
  local guard = ffi.metatype("struct { int id; }", {
    __index = {
      double = function(self)
        return self.id * 2
      end,
    },
    __gc = function(self)
      ended[#ended + 1] = self.id
    end,
    __tostring = function(self)
      return "guard " .. self.id
    end,
  })
  local kept = ffi.new(guard)
  kept.id = 21
  equal(kept:double(), 42)
  equal(tostring(kept), "guard 21")
  ffi.new(guard, 7)
  collectgarbage()
  collectgarbage()
  equal(#ended, 1)
  equal(ended[1], 7)
  equal(kept.id, 21)
end)

test("what a finalizer gives back is given back when its service ends", function()
  local dict = ngx.shared.open
  local holder = hive.spawn "service/compat_worker"
  holder:hold(DICTIONARY, "held")
  equal(dict:get "held", true)
  local version = dict:version "held"
  hive.stop(holder)
  equal(dict:wait("held", version, 30), true)
  equal(dict:get "held", nil)
end)

test("what ffi does not know it refuses with the reason", function()
  fails("unknown type 'socklen_t'", ffi.sizeof, "socklen_t")
  fails("only structures and names", ffi.cdef, "int getpid(void);")
  fails("expected ';', found 'the end'", ffi.cdef, "struct compat_a { int a; }")
  fails("field 'name': only numbers and pointers", ffi.cdef, "struct compat_b { char name[8]; };")
  fails("declared already", ffi.cdef, "struct compat_record { int a; };")
  fails("only structures have arrays", ffi.new, "char[?]", 8)
  fails("struct compat_c is not declared", ffi.new, "struct compat_c")
  fails("expected a type, got number", ffi.new, 5)
  fails("no C to call", function()
    return ffi.C.getpid
  end)
  fails("no C to call", ffi.load, "z")
  fails("an array needs a number", ffi.new, "compat_node_t[?]")
  fails("is more than a type", ffi.sizeof, "int x")
  fails("is no structure without a metatable", ffi.metatype, "int", {})
  fails("with zeros only", ffi.fill, ffi.new "compat_node_t", 8, 1)
end)

check.done()
-- The timer goes on for ever.
hive.exit()
