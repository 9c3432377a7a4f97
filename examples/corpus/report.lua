-- Reports of the corpus example: merging those of the workers, and summing up.

local List = require "pl.List"
local tablex = require "pl.tablex"

local TOP_WORDS = 20

local report = {}

-- The order in which the fields of a summary are printed.
-- stylua: ignore
report.KEY_ORDER = {
  "workers", "files", "lines", "bytes", "words", "distinct_words", "top_words", "licences",
  "name", "count",
}

-- An empty report.
function report.new()
  return { lines = 0, bytes = 0, words = {}, licences = {} }
end

local function add_counts(into, counts)
  for key, count in pairs(counts) do
    into[key] = (into[key] or 0) + count
  end
end

-- Adds one worker's report to the total.
function report.merge(total, part)
  total.lines = total.lines + part.lines
  total.bytes = total.bytes + part.bytes
  add_counts(total.words, part.words)
  add_counts(total.licences, part.licences)
end

-- A table of counts as a list of { name, count }, most frequent first, then by name.
local function ranked(counts)
  local entries = tablex.pairmap(function(name, count)
    return { name = name, count = count }
  end, counts)
  return List(entries):sort(function(a, b)
    return a.count > b.count or a.count == b.count and a.name < b.name
  end)
end

-- What the example prints.
function report.summary(total, files, workers)
  local words = ranked(total.words)
  return {
    workers = workers,
    files = files,
    lines = total.lines,
    bytes = total.bytes,
    words = tablex.reduce("+", tablex.values(total.words), 0),
    distinct_words = #words,
    top_words = words:slice(1, TOP_WORDS),
    licences = ranked(total.licences),
  }
end

return report
