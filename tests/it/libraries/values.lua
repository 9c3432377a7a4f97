-- Prints what the libraries make of many values, one a line, for `check.py` to make them again by
-- other programs: the name of the check, then its inputs and its result in hexadecimal digits.

local bson = require "bson"
local crypt = require "skynet.crypt"
local md5 = require "md5"
local sproto = require "sproto"
local sprotoparser = require "sprotoparser"

math.randomseed(20260711)
local hex = crypt.hexencode

local function tell(check, ...)
  local texts = {}
  for i, text in ipairs { ... } do
    texts[i] = #text > 0 and hex(text) or "-"
  end
  print(check, table.concat(texts, " "))
end

local function random_text(length)
  local bytes = {}
  for i = 1, length do
    bytes[i] = string.char(math.random(0, 255))
  end
  return table.concat(bytes)
end

for _ = 1, 100 do
  local text, key = random_text(math.random(0, 300)), random_text(math.random(0, 100))
  local one, two = random_text(8), random_text(8)
  tell("sha1", text, crypt.sha1(text))
  tell("hmac_sha1", key, text, crypt.hmac_sha1(key, text))
  tell("md5", text, md5.sum(text))
  tell("hashkey", text, crypt.hashkey(text))
  tell("hmac64", one, two, crypt.hmac64(one, two))
  tell("hmac64_md5", one, two, crypt.hmac64_md5(one, two))
  tell("dhexchange", one, crypt.dhexchange(one))
  tell("dhsecret", one, two, crypt.dhsecret(one, two))
  tell("des_pkcs7", one, text, crypt.desencode(one, text, crypt.padding.pkcs7))
  tell("des_iso7816", one, text, crypt.desencode(one, text))
  tell("base64", text, crypt.base64encode(text))
end

-- Documents of which the other side makes the same bytes after it has read them.
for round = 1, 100 do
  local number = math.random(math.mininteger, math.maxinteger) >> math.random(0, 63)
  tell(
    "bson",
    tostring(
      bson.encode_order(
        "number",
        number,
        "float",
        number / 3,
        "text",
        ("x"):rep(round),
        "flag",
        round % 2 == 0,
        "list",
        { round, "two", { 3 } },
        "inner",
        { deeper = { number = number } },
        "id",
        bson.objectid(),
        "when",
        bson.date(number % 4000000000),
        "stamp",
        bson.timestamp(round, 7),
        "bytes",
        bson.binary(random_text(round), 128 + round),
        "nothing",
        bson.null,
        "low",
        bson.minkey,
        "high",
        bson.maxkey,
        "long",
        bson.int64(round),
        "regex",
        bson.regex("^a", "im")
      )
    )
  )
end

local schema = [[
  .Point { x 0 : integer  y 3 : integer }
  .Data {
    number 0 : integer  flag 1 : boolean  text 2 : string  bytes 3 : binary  float 5 : double
    numbers 7 : *integer  flags 8 : *boolean  texts 9 : *string  floats 10 : *double
    point 12 : Point  points 13 : *Point  by_x 20 : *Point(x)
  }
  fetch 5 { request Point  response Data }
  poke 6 { request { count 0 : integer } }
  ack 9 { response nil }
]]
local bytes = sprotoparser.parse(schema)
tell("schema", bytes)
local sp = sproto.new(bytes)
for round = 1, 100 do
  local function number()
    return math.random(math.mininteger, math.maxinteger) >> math.random(0, 63)
  end
  local value = { number = number(), flag = round % 2 == 0, text = ("t"):rep(round % 7) }
  value.bytes = random_text(round % 11)
  value.float = number() / 7
  value.point = { x = number(), y = round % 3 == 0 and number() or nil }
  if round % 2 == 0 then
    value.numbers, value.flags, value.texts, value.floats, value.points = {}, {}, {}, {}, {}
    for i = 1, round % 5 do
      value.numbers[i] = round % 3 == 0 and number() or i * 100
      value.flags[i] = i % 2 == 0
      value.texts[i] = random_text(0) .. i
      value.floats[i] = i / 3
      value.points[i] = { x = i, y = number() }
    end
    value.by_x = { [round] = { x = round, y = 1 } }
  end
  local message = sp:encode("Data", value)
  tell("sproto", message, sproto.pack(message))
end
