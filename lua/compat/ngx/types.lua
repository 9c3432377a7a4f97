-- compat.ngx.types: types of C as libraries for nginx declare them, for `compat.ngx.ffi`: numbers,
-- pointers, structures, and arrays of structures. Reads declarations and knows the layout of what
-- they declare: sizes and places are those of C on this machine.
--
-- A type is a table with `kind` ("integer", "float", "pointer", "struct" or "array"), `size` and
-- `code`, by which string.pack writes one value of it. A structure has `fields` besides, in their
-- order, and `field` by name; an array has its `element` and, unless that is open, its `count`.

local types = {}

local function number_type(kind, size, code)
  return { kind = kind, size = size, code = code, name = code }
end

local function integer(size, is_signed)
  local made = number_type("integer", size, (is_signed and "i" or "I") .. size)
  made.is_signed = is_signed
  return made
end

-- Types by the words that name them, in the order of the alphabet.
local words = {
  bool = integer(1, false),
  double = number_type("float", 8, "d"),
  float = number_type("float", 4, "f"),
  intptr_t = integer(8, true),
  ptrdiff_t = integer(8, true),
  size_t = integer(8, false),
  ssize_t = integer(8, true),
  time_t = integer(8, true),
  uintptr_t = integer(8, false),
}
for _, size in ipairs { 1, 2, 4, 8 } do
  words[("int%d_t"):format(size * 8)] = integer(size, true)
  words[("uint%d_t"):format(size * 8)] = integer(size, false)
end
local BY_SIZE = {
  [1] = { "char" },
  [2] = { "short", "int short" },
  [4] = { "int" },
  [8] = { "long", "int long", "long long", "int long long" },
}

-- The words of a type in their order, one more included.
local function phrase(text, word)
  local found = { word }
  for part in text:gmatch "%a+" do
    found[#found + 1] = part
  end
  table.sort(found)
  return table.concat(found, " ")
end

for size, names in pairs(BY_SIZE) do
  for _, name in ipairs(names) do
    words[name] = integer(size, true)
    words[phrase(name, "signed")] = words[name]
    words[phrase(name, "unsigned")] = integer(size, false)
  end
end
words.signed, words.unsigned = words.int, words["int unsigned"]

-- Words that are types of their own or parts of one.
local parts = { long = true, short = true, signed = true, unsigned = true }
for name in pairs(words) do
  if not name:find " " then
    parts[name] = true
  end
end

-- Structures by their names, and types by the names that typedef gave them.
local structures, synonyms = {}, {}

local QUALIFIERS = { const = true, volatile = true }

local function fail(text, ...)
  error("ffi: " .. text:format(...), 0)
end

-- Words and marks of a declaration, and where the reader is.
local function tokens_of(text)
  local list = { at = 1 }
  text = text:gsub("/%*.-%*/", " "):gsub("//[^\n]*", " ")
  for word, marks in text:gmatch "([%w_]*)([^%w_]*)" do
    if word ~= "" then
      list[#list + 1] = word
    end
    for mark in marks:gmatch "%S" do
      list[#list + 1] = mark
    end
  end
  return list
end

local function take(list, token)
  if list[list.at] == token then
    list.at = list.at + 1
    return true
  end
  return false
end

local function expect(list, token)
  if not take(list, token) then
    fail("expected '%s', found '%s'", token, list[list.at] or "the end")
  end
end

local function is_word(token)
  return token and token:find "^[%a_]" ~= nil
end

local function take_name(list)
  local token = list[list.at]
  if not is_word(token) then
    fail("expected a name, found '%s'", token or "the end")
  end
  list.at = list.at + 1
  return token
end

local function pointer_to(target)
  return { kind = "pointer", size = 8, code = "I8", target = target, name = target.name .. " *" }
end

local read_base

-- The stars behind a type.
local function read_stars(list, base)
  while true do
    if take(list, "*") then
      base = pointer_to(base)
    elseif QUALIFIERS[list[list.at]] then
      list.at = list.at + 1
    else
      return base
    end
  end
end

-- Gives a structure its fields, and so its layout.
local function read_fields(list, structure)
  local fields, field, codes, widest = {}, {}, {}, 1
  while not take(list, "}") do
    local base = read_base(list)
    repeat
      local kind = read_stars(list, base)
      local name = take_name(list)
      if list[list.at] == "[" or kind.kind == "struct" then
        fail("field '%s': only numbers and pointers can be fields", name)
      end
      fields[#fields + 1] = { name = name, type = kind }
      field[name] = kind
      codes[#codes + 1] = kind.code
      widest = math.max(widest, kind.size)
    until not take(list, ",")
    expect(list, ";")
  end
  structure.fields, structure.field = fields, field
  structure.code = ("!8%sXI%d"):format(table.concat(codes), widest)
  structure.size = string.packsize(structure.code)
end

local function read_structure(list)
  local name = is_word(list[list.at]) and take_name(list)
  local structure = name and structures[name]
  if not structure then
    structure = { kind = "struct", name = "struct " .. (name or "") }
    if name then
      structures[name] = structure
    end
  end
  if take(list, "{") then
    if structure.fields then
      fail("%s is declared already", structure.name)
    end
    read_fields(list, structure)
  end
  return structure
end

-- A type without stars.
function read_base(list)
  local names = {}
  while true do
    local token = list[list.at]
    if QUALIFIERS[token] then
      list.at = list.at + 1
    elseif token == "struct" and #names == 0 then
      list.at = list.at + 1
      return read_structure(list)
    elseif synonyms[token] and #names == 0 then
      list.at = list.at + 1
      return synonyms[token]
    elseif parts[token] then
      list.at = list.at + 1
      names[#names + 1] = token
    else
      break
    end
  end
  table.sort(names)
  local text = table.concat(names, " ")
  local found = words[text]
  if not found then
    fail("unknown type '%s'", text == "" and (list[list.at] or "") or text)
  end
  return found
end

-- The array that brackets make of a type.
local function read_brackets(list, element)
  if not take(list, "[") then
    return element
  end
  local count
  if not take(list, "?") then
    count = math.tointeger(tonumber(list[list.at]))
    if not count then
      fail("expected a number of elements, found '%s'", list[list.at] or "the end")
    end
    list.at = list.at + 1
  end
  expect(list, "]")
  return types.array_of(element, count)
end

-- Declares structures and names of types.
function types.declare(text)
  local list = tokens_of(text)
  while list[list.at] do
    local is_synonym = take(list, "typedef")
    local kind = read_stars(list, read_base(list))
    if is_synonym then
      local name = take_name(list)
      if words[name] or synonyms[name] then
        fail("%s is declared already", name)
      end
      synonyms[name] = kind
    elseif is_word(list[list.at]) then
      fail("'%s': only structures and names of types can be declared", list[list.at])
    end
    expect(list, ";")
  end
end

-- The type that a text names.
function types.parse(text)
  local list = tokens_of(text)
  local kind = read_brackets(list, read_stars(list, read_base(list)))
  if list[list.at] then
    fail("'%s' is more than a type", text)
  end
  return kind
end

-- An array of structures, of any number if none is given.
function types.array_of(element, count)
  if element.kind ~= "struct" then
    fail("only structures have arrays here")
  end
  return { kind = "array", element = element, count = count, name = element.name .. "[]" }
end

return types
