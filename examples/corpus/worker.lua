-- A worker of the corpus example: counts the words of a share of one text and answers with JSON.
--
-- Debian's Penlight, dkjson and inspect are used as they are, written for Lua 5.4 and earlier.

local List = require "pl.List"
local Map = require "pl.Map"
local inspect = require "inspect"
local json = require "dkjson"
local pretty = require "pl.pretty"
local seq = require "pl.seq"
local stringx = require "pl.stringx"
local tablex = require "pl.tablex"

local LICENCE = "/usr/share/common%-licenses/([%w%.%-]+)"

-- The lines of a job, with their line ends: line `part`, then every `parts`-th.
local function lines_of(job)
  local number = 0
  return seq.filter(io.lines(job.path, "L"), function()
    number = number + 1
    return number % job.parts == job.part % job.parts
  end)
end

-- The licences that a line refers to, without the full stop that ends its sentence.
local function licences_in(line)
  return List(seq.copy(line:gmatch(LICENCE))):map(stringx.rstrip, ".-")
end

-- Counts what stands in the lines of a job.
local function count(job)
  local words, licences = List(), List()
  local lines, bytes = 0, 0
  for line in lines_of(job) do
    lines, bytes = lines + 1, bytes + #line
    words:extend(seq.copy(line:lower():gmatch "%a+"))
    licences:extend(licences_in(line))
  end
  return Map {
    lines = lines,
    bytes = bytes,
    words = seq.count_map(words:iter()),
    licences = seq.count_map(licences:iter()),
  }
end

return {
  -- The report of one job as JSON.
  analyse = function(job)
    local ok, result = pcall(count, job)
    if not ok then
      error(("cannot analyse %s: %s"):format(inspect(job), result))
    end
    return json.encode(result)
  end,

  -- One job and its figures as people read them: `{ lines = 10, ... }`.
  describe = function(job)
    local result = count(job)
    local figures = tablex.map(function(value)
      return type(value) == "table" and tablex.size(value) or value
    end, result)
    return pretty.write(tablex.merge(job, figures, true), "")
  end,
}
