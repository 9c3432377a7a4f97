-- Calls a dictionary and writes a line for each call: what it was given, and what it returned or
-- raised. For LuaJIT in nginx and for us, whose lines are compared.
local function show(v)
  if type(v) == "number" then
    if v ~= v then
      return "nan"
    end
    return ("%.14g"):format(v)
  end
  if type(v) == "string" then
    if #v > 60 then
      return "string of " .. #v
    end
    return (
      ("%q"):format(v):gsub("[\128-\255]", function(byte)
        return "\\" .. byte:byte()
      end)
    )
  end
  if type(v) == "table" then
    local t = {}
    for i = 1, #v do
      t[i] = show(v[i])
    end
    return "{" .. table.concat(t, ",") .. "}"
  end
  if type(v) == "userdata" or type(v) == "function" then
    return type(v)
  end
  return tostring(v)
end

local unpack = table.unpack or rawget(_G, "unpack")

local function pack(...)
  return { n = select("#", ...), ... }
end

-- The error without its place. What is said of a conversion names a function of nginx's own there.
local function raised(err)
  local text = tostring(err):gsub("^.-:%d+: ", "")
  return "raises " .. text:gsub("#%d+ to '[^']*' %(cannot convert", "(cannot convert")
end

local Recording = {}
Recording.__index = Recording

-- A line about a call that was made with pcall.
function Recording:line(name, ...)
  local r, t = pack(...), {}
  if not r[1] then
    t[1] = raised(r[2])
  else
    for i = 2, r.n do
      t[#t + 1] = show(r[i])
    end
  end
  self.write(self.case .. " " .. name .. " -> " .. table.concat(t, ", "))
end

-- Calls a method; what it returns.
function Recording:call(name, ...)
  local t = pack(...)
  for i = 1, t.n do
    t[i] = show(t[i])
  end
  local r = pack(pcall(self.dict[name], self.dict, ...))
  self:line(name .. "(" .. table.concat(t, ", ") .. ")", unpack(r, 1, r.n))
  return unpack(r, 2, r.n)
end

-- Begins a case with an empty dictionary.
function Recording:new(case)
  self.dict:flush_all()
  self.dict:flush_expired()
  self.case = case
end

return function(dict, write)
  return setmetatable({ dict = dict, write = write, case = "0" }, Recording)
end
