-- Method calls through two levels of __index, as classes with inheritance make them.

local ROUNDS <const> = 150000

local Animal = {}
Animal.__index = Animal

function Animal:name()
  return self.called
end

function Animal:age(years)
  self.years = self.years + years
  return self.years
end

local Dog = setmetatable({}, Animal)
Dog.__index = Dog

function Dog:bark()
  return self.loud
end

local Puppy = setmetatable({}, Dog)
Puppy.__index = Puppy

local puppy = setmetatable({ called = "Rex", years = 0, loud = true }, Puppy)
local count = 0
for _ = 1, ROUNDS do
  if puppy:bark() and puppy:name() == "Rex" then
    count = count + 1
  end
  puppy:age(1)
end
assert(count == ROUNDS and puppy.years == ROUNDS)
