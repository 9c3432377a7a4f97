-- String building: concatenation, formatting, cutting, joining; short results and long ones.

local ROUNDS <const> = 4000

local words = { "one", "two", "three", "four", "five", "six" }
local length = 0
for i = 1, ROUNDS do
  local line = {}
  for j, word in ipairs(words) do
    line[j] = word:upper():sub(1, 3) .. "-" .. i
  end
  local text = table.concat(line, ",")
  length = length + #text + #string.format("%d %s %5.2f", i, words[i % #words + 1], i / 3)
  length = length + #text:gsub("%-", "+") + #text:rep(3)
  if text:find("SIX", 1, true) then
    length = length + 1
  end
end
assert(length > 0)
