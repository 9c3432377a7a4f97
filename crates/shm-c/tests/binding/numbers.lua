-- Numbers as keys, in LuaJIT and in a host: whoever stores under a number, the other one finds it
-- under the same number, as one entry. Called with "write" or "read", the dictionary, and what to
-- store with each number; returns nothing, and raises if an entry is missing or there are others.

local how, dict, mark = ...

local NUMBERS = {
  0,
  -0.0,
  1,
  -1,
  0.1,
  1 / 3,
  -2.5,
  1e13,
  99999999999999,
  1e14,
  -1e14,
  1e14 + 0.5,
  123456789012345,
  1e15,
  -1e15,
  1700000000123456,
  2 ^ 53,
  2 ^ 53 + 2,
  -2 ^ 53,
  2 ^ 62,
  2 ^ 63 - 1024,
  1024 - 2 ^ 63,
  2 ^ 63,
  -2 ^ 63,
  2 ^ 64,
  1e22,
  1e100,
  -1e100,
  1e-5,
  1e-100,
  5e-324,
  1.7976931348623157e308,
  1 / 0,
  -1 / 0,
  0 / 0,
  -(0 / 0),
  1.5e300,
  12345.678901234567,
}
-- Those that lie exactly between two of 14 digits: LuaJIT takes the one that is further from zero.
for decimals = 1, 14 do
  local whole = 10 ^ (14 - decimals) * 1.7
  for odd = 1, 31, 2 do
    local tie = math.floor(whole) + (odd - 1) / 2 * 3 + odd % 2 ^ decimals / 2 ^ decimals
    NUMBERS[#NUMBERS + 1] = odd % 4 == 1 and tie or -tie
  end
end
-- Of two that are no number the sign does not count.
local ALIKE = 1

for index, number in ipairs(NUMBERS) do
  if how == "write" then
    assert(dict:set(number, mark .. index))
  elseif number == number then
    local found = dict:get(number)
    local text = ("%.17g: %s"):format(number, tostring(found))
    assert(found == mark .. index, text)
  else
    assert(dict:get(number), "nan")
  end
end
local keys = dict:get_keys(0)
assert(#keys == #NUMBERS - ALIKE, #keys .. " keys: " .. table.concat(keys, " "))
