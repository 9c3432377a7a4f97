-- `re`: patterns in the notation of regular expressions and grammars, over `lpeg`.
--
-- A text is read by a grammar of `lpeg` whose captures build the pattern. Definitions (the second
-- argument of `compile`) come along as the first extra argument of the match.

local lpeg = require "lpeg"

local error, ipairs, setmetatable, tonumber, type = error, ipairs, setmetatable, tonumber, type
local C, Carg, Cb, Cc, Cf, Cg = lpeg.C, lpeg.Carg, lpeg.Cb, lpeg.Cc, lpeg.Cf, lpeg.Cg
local Cmt, Cp, Cs, Ct, P, R, S, V =
  lpeg.Cmt, lpeg.Cp, lpeg.Cs, lpeg.Ct, lpeg.P, lpeg.R, lpeg.S, lpeg.V

local re = {}

-- Names that stand for patterns in every text: `%a`, `%nl`.
local classes

local function update_locale()
  local locale = lpeg.locale()
  classes = {
    nl = P "\n",
    a = locale.alpha,
    c = locale.cntrl,
    d = locale.digit,
    g = locale.graph,
    l = locale.lower,
    p = locale.punct,
    s = locale.space,
    u = locale.upper,
    w = locale.alnum,
    x = locale.xdigit,
  }
  for _, name in ipairs { "a", "c", "d", "g", "l", "p", "s", "u", "w", "x" } do
    classes[name:upper()] = 1 - classes[name]
  end
end

update_locale()

local any = P(1)

-- What `%name` stands for, from the definitions or the classes. It is a pattern from here on: what
-- strings, numbers and functions do with operators is not meant.
local function defined(name, definitions)
  local found = definitions and definitions[name] or classes[name]
  if not found then
    error("name '" .. name .. "' undefined", 0)
  end
  return P(found)
end

-- A value from the definitions alone.
local function definition(name, definitions)
  local found = definitions and definitions[name]
  if not found then
    error("undefined name: " .. name, 0)
  end
  return found
end

local function fail(subject, place)
  local near = #subject < place + 20 and subject:sub(place)
    or subject:sub(place, place + 20) .. "..."
  error(("pattern error near '%s'"):format(near), 0)
end

local function repeated(pattern, count)
  local result = P(true)
  for _ = 1, count do
    result = result * pattern
  end
  return result
end

-- A text that must be where `=name` stands: the last capture of that name.
local function same(subject, place, text)
  if type(text) == "string" and subject:sub(place, place + #text - 1) == text then
    return place + #text
  end
end

local function range(from, to)
  return R(from .. to)
end

local function complement(sign, class)
  return sign == "^" and any - class or class
end

local space = (S " \t\n\r\v\f" + "--" * (any - "\n") ^ 0) ^ 0
local word = R("AZ", "az", "__") * R("AZ", "az", "09", "__") ^ 0
local name = C(word) * space
local arrow = space * "<-"
local number = C(R "09" ^ 1) * space / tonumber
local quoted = "'" * C((any - "'") ^ 0) * "'" + '"' * C((any - '"') ^ 0) * '"'
local escaped = "%" * C(word) * Carg(1) / defined

local item = escaped + C(any) * "-" * C(any - "]") / range + C(any) / P
local class = "["
  * C(P "^" ^ -1)
  * Cf(item * (item - "]") ^ 0, function(left, right)
    return left + right
  end)
  / complement
  * "]"

-- A suffix as a function of the pattern before it.
local function suffix(make)
  return function(...)
    local a, b = ...
    return function(pattern)
      return make(pattern, a, b)
    end
  end
end

local function apply(pattern, change)
  return change(pattern)
end

local repetitions = "^"
  * (
    C(S "+-")
      * number
      / suffix(function(pattern, sign, count)
        return pattern ^ (sign == "-" and -count or count)
      end)
    + number / suffix(repeated)
  )

local transformations = "->"
  * space
  * (
    quoted * space / suffix(function(pattern, text)
      return pattern / text
    end)
    + number / suffix(function(pattern, count)
      return pattern / count
    end)
    + P "{}" * space / suffix(Ct)
    + name
      * Carg(1)
      / suffix(function(pattern, key, definitions)
        return pattern / definition(key, definitions)
      end)
  )

-- `=> name`, `~> name`, `>> name`: a definition that `make` combines with the pattern.
local function by_definition(sign, make)
  return sign
    * space
    * (name * Carg(1))
    / suffix(function(pattern, key, definitions)
      return make(pattern, definition(key, definitions))
    end)
end

local suffixes = (
  P "*" / suffix(function(pattern)
    return pattern ^ 0
  end)
  + P "+" / suffix(function(pattern)
    return pattern ^ 1
  end)
  + P "?" / suffix(function(pattern)
    return pattern ^ -1
  end)
  + repetitions
  + transformations
  + by_definition("=>", Cmt)
  + by_definition("~>", Cf)
  + by_definition(">>", function(pattern, f)
    return pattern % f
  end)
) * space

-- Adds a rule to the table of a grammar; the first is the initial one.
local function add_rule(grammar, key, pattern)
  if not grammar[1] then
    grammar[1] = key
  elseif grammar[key] then
    error("'" .. key .. "' already defined as a rule", 0)
  end
  grammar[key] = pattern
  return grammar
end

-- The reference to a rule, which only a grammar around can have.
local function reference(key, is_inside)
  if not is_inside then
    error("rule '" .. key .. "' used outside a grammar", 0)
  end
  return V(key)
end

-- Tells `reference` whether there is a grammar around: the last one that is not over.
local function inside(is_inside)
  return Cg(Cc(is_inside), "is_inside")
end

-- What may follow a sequence; anything else is a mistake in the text.
local follow = #(S "/)}|~:" + -any + name * arrow) + Cmt("", fail)

local inner = space * V "whole"
local alternatives = {
  "(" * inner * ")",
  quoted / P,
  class,
  escaped,
  "{:" * (name * ":" + Cc(nil)) * inner * ":}" / function(key, pattern)
    return Cg(pattern, key)
  end,
  "=" * name / function(key)
    return Cmt(Cb(key), same)
  end,
  P "{}" / function()
    return Cp()
  end,
  "{~" * inner * "~}" / Cs,
  "{|" * inner * "|}" / Ct,
  "{" * inner * "}" / C,
  P "." / function()
    return any
  end,
  (name + "<" * space * name * ">") * -arrow * Cb "is_inside" / reference,
}
local primary = P(false)
for _, alternative in ipairs(alternatives) do
  primary = primary + alternative
end

local text = space
  * inside(false)
  * P {
    "whole",
    whole = V "grammar" + V "expression",
    grammar = inside(true) * Cf(Ct "" * Cg(V "rule") ^ 1, add_rule) / P,
    rule = name * arrow * space * V "expression",
    expression = Cf(V "sequence" * ("/" * space * V "sequence") ^ 0, function(left, right)
      return left + right
    end),
    sequence = Cf(Cc(P "") * V "prefixed" ^ 0, function(left, right)
      return left * right
    end) * follow,
    prefixed = "&" * space * V "prefixed" / function(pattern)
      return #pattern
    end + "!" * space * V "prefixed" / function(pattern)
      return -pattern
    end + V "suffixed",
    suffixed = Cf(V "primary" * space * suffixes ^ 0, apply),
    primary = primary,
  }
  * (-any + Cmt("", fail))

-- The pattern for a text; a pattern stays as it is.
function re.compile(source, definitions)
  if lpeg.type(source) == "pattern" then
    return source
  end
  local pattern = text:match(source, 1, definitions)
  if not pattern then
    error("incorrect pattern", 3)
  end
  return pattern
end

-- Patterns that were made of texts, as long as they are in use.
local weak = { __mode = "v" }
local compiled = setmetatable({}, weak)
local finders = setmetatable({}, weak)
local replacers = setmetatable({}, weak)

local function cached(source)
  local found = compiled[source]
  if not found then
    found = re.compile(source)
    compiled[source] = found
  end
  return found
end

function re.match(subject, source, init)
  return cached(source):match(subject, init or 1)
end

-- Where the pattern matches first: the first and the last place.
function re.find(subject, source, init)
  local finder = finders[source]
  if not finder then
    finder = P { Cp() * (cached(source) / 0) * Cp() + 1 * V(1) }
    finders[source] = finder
  end
  local first, behind = finder:match(subject, init or 1)
  if first then
    return first, behind - 1
  end
  return nil
end

function re.gsub(subject, source, replacement)
  local by_replacement = replacers[source]
  if not by_replacement then
    by_replacement = setmetatable({}, weak)
    replacers[source] = by_replacement
  end
  local replacer = by_replacement[replacement]
  if not replacer then
    replacer = Cs((cached(source) / replacement + 1) ^ 0)
    by_replacement[replacement] = replacer
  end
  return replacer:match(subject)
end

function re.updatelocale()
  update_locale()
  compiled = setmetatable({}, weak)
  finders = setmetatable({}, weak)
  replacers = setmetatable({}, weak)
end

return re
