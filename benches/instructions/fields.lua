-- Field access: reads and writes of constant keys in records, in arrays of records, in globals.

local POINTS <const> = 100
local ROUNDS <const> = 2000

local function points()
  local list = {}
  for i = 1, POINTS do
    list[i] = { x = i, y = -i, name = "point", visible = true, next = false }
  end
  return list
end

local function move(list)
  local sum = 0
  for i = 1, #list do
    local point = list[i]
    point.x = point.x + 1
    point.y = point.y - 1
    if point.visible and point.name == "point" and not point.next then
      sum = sum + point.x * 2 + point.y
    end
  end
  return sum
end

local list = points()
local total = 0
for _ = 1, ROUNDS do
  total = total + move(list) + math.max(1, 2)
end
assert(total > 0)
