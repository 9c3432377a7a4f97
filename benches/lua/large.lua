-- Large strings: an echo, which ends where it began, and a chain of three services, which hands on
-- what the first made. The echo sends one string again and again, the chain a new one each time.

local bench = require "bench"
local hive = require "hive"

local SIZES = { { "1m", 1 << 20, 1 }, { "64k", 64 << 10, 8 }, { "16k", 16 << 10, 16 } }
local SMALLER = { { "8k", 8 << 10, 16 }, { "4k", 4 << 10, 16 } }
local letters = string.rep("0123456789abcdef", 1 << 16)

local peer = hive.spawn "peer"
local forwarder = hive.spawn("forwarder", peer)

local function measure(name, size, n)
  local text = letters:sub(1, size)
  bench.measure("echo_" .. name, n, function()
    for _ = 1, n do
      if #peer:echo(text) ~= size then
        error "wrong answer"
      end
    end
  end)
  bench.measure("chain_" .. name, n, function()
    for _ = 1, n do
      if forwarder:length(letters:sub(1, size)) ~= size then
        error "wrong answer"
      end
    end
  end)
end

local n = bench.count(4000)
for _, sizes in ipairs { SIZES, SMALLER } do
  for _, case in ipairs(sizes) do
    measure(case[1], case[2], n * case[3])
  end
end
hive.shutdown()
