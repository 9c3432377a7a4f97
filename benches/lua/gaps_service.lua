-- Keeps so many rows, replaces one with each call, and makes garbage.

local live = ...

local function row(number)
  return { id = number, name = "name " .. number, place = { number, number } }
end

local rows = {}
for i = 1, live do
  rows[i] = row(i)
end

return {
  work = function(number)
    local garbage = {}
    for i = 1, 40 do
      garbage[i] = { i, { number } }
    end
    rows[number % live + 1] = row(number)
    return #rows + #garbage
  end,
}
