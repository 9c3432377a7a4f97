-- Keys built at run time: every access interns a string first.

local KEYS <const> = 500
local ROUNDS <const> = 120

local values = {}
local sum = 0
for round = 1, ROUNDS do
  for i = 1, KEYS do
    local key = "k" .. i
    values[key] = (values[key] or 0) + round
  end
  for i = 1, KEYS do
    sum = sum + values["k" .. i]
  end
end
assert(sum > 0)
