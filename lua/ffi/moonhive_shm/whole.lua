-- Methods for a whole dictionary: flushing, enumerating, figures, checking.

local ffi = require("ffi")
local common = require("moonhive_shm.common")

local error, ipairs, pairs = error, ipairs, pairs
local tonumber, tostring, type = tonumber, tostring, type
local huge, min, sort = math.huge, math.min, table.sort
local sub = string.sub
local new, text_of = ffi.new, ffi.string

local OK, TOO_SMALL = common.OK, common.TOO_SMALL
local ALL_BITS = common.ALL_BITS
local BUFFER_BYTES = common.BUFFER_BYTES
-- Keys asked for at once when all are wanted.
local KEYS_STEP = 1000
-- Keys that one step of an iterator asks for.
local WALK_STEP = 256
local KEYS_USUAL = 1024

local growing, handle_of = common.growing, common.handle_of
local handle_and_limit_of, message = common.handle_and_limit_of, common.message
local place_of = common.place_of
local buffer, number = common.buffer, common.number
local count, size = common.count, common.size
local phase, CALLED = common.phase, common.CALLED
local ITEM_BYTES = ffi.sizeof("mhshm_item")
-- Up to so many bytes, in one shard, a dictionary knows the order of use.
local EXACT_LIMIT_BYTES = 2 ^ 20

local library
local methods = {}

-- Ends every entry.
function methods.flush_all(self)
  local handle = handle_of(self)
  phase[1] = CALLED
  if library.mhshm_flush_all(handle) ~= OK then
    error(message(), 2)
  end
  phase[1] = false
end

-- flush_expired([max]): gives expired entries back, up to so many; how many.
function methods.flush_expired(...)
  local handle, limit = handle_and_limit_of(...)
  limit = limit and limit > 0 and limit or 0
  phase[1] = CALLED
  if library.mhshm_flush_expired(handle, limit, number) ~= OK then
    error(message(), 2)
  end
  local freed = tonumber(number[0])
  phase[1] = false
  return freed
end

-- Adds the keys of packed records to a list, up to so many, and their ages to a table if there is
-- one.
local function unpack_keys(keys, most, ages, packed, length)
  local at = 0
  while at < length and #keys < most do
    local item = ffi.cast("mhshm_item *", packed + at)
    local key = text_of(packed + at + ITEM_BYTES, item.key_bytes)
    keys[#keys + 1] = key
    if ages then
      ages[key] = item.age
    end
    at = at + item.record_bytes
  end
end

-- Adds about so many keys from the cursor on, so that there are no more than `most`.
local function step_keys(handle, cursor, wanted, keys, most, ages)
  phase[1] = CALLED
  local code = library.mhshm_items(handle, cursor, wanted, buffer, BUFFER_BYTES, size, nil)
  if code ~= OK and code ~= TOO_SMALL then
    error(message(), 3)
  end
  local length = tonumber(size[0])
  unpack_keys(keys, most, ages, place_of(code, length), length)
  phase[1] = false
end

-- Keys from the first one on, up to so many, and their ages into a table if there is one.
local function walk(handle, most, ages)
  local keys, cursor = {}, new("uint64_t[1]")
  while cursor[0] ~= ALL_BITS and #keys < most do
    step_keys(handle, cursor, min(most - #keys, KEYS_STEP), keys, most, ages)
  end
  return keys
end

-- The same, those first that were used longest ago.
local function oldest(handle, most)
  local ages, keys = {}, {}
  local found = walk(handle, huge, ages)
  sort(found, function(a, b)
    return ages[a] > ages[b]
  end)
  for index = 1, min(#found, most) do
    keys[index] = found[index]
  end
  return keys
end

local function is_exact(handle)
  local numbers = growing("mhshm_numbers")
  library.mhshm_statistics(handle, numbers)
  return numbers.shards == 1 and numbers.capacity_bytes <= EXACT_LIMIT_BYTES
end

-- get_keys([max]): keys of live entries: 1024 of them, so many, or all (0). Where a dictionary
-- knows the order of use those come first that were used longest ago; a larger one need not be
-- walked to its end for a few keys.
function methods.get_keys(...)
  local handle, limit = handle_and_limit_of(...)
  limit = limit or KEYS_USUAL
  limit = limit > 0 and limit or huge
  if is_exact(handle) then
    return oldest(handle, limit)
  end
  return walk(handle, limit)
end

local function prefix_of(wanted)
  if wanted == nil then
    return ""
  elseif type(wanted) ~= "table" then
    error("options: table expected, got " .. type(wanted), 3)
  end
  for name in pairs(wanted) do
    if name ~= "prefix" then
      error("unknown option '" .. tostring(name) .. "' (expected prefix)", 3)
    end
  end
  local prefix = wanted.prefix or ""
  if type(prefix) ~= "string" then
    error("option 'prefix': expected a string, got " .. tostring(prefix), 3)
  end
  return prefix
end

-- The next keys from a cursor on, or nil after the last.
local function next_keys(self, cursor)
  local found = {}
  while #found == 0 do
    if cursor[0] == ALL_BITS then
      return nil
    end
    step_keys(handle_of(self), cursor, WALK_STEP, found, huge)
  end
  return found
end

-- Iterates over the keys, a few at a time and without stopping writers: an entry that is there all
-- the time is met once. Option: prefix.
function methods.keys(self, wanted)
  local prefix = prefix_of(wanted)
  handle_of(self)
  local found, index, cursor = {}, 0, new("uint64_t[1]")
  return function()
    while found do
      index = index + 1
      local key = found[index]
      if not key then
        found, index = next_keys(self, cursor), 0
      elseif sub(key, 1, #prefix) == prefix then
        return key
      end
    end
  end
end

-- The same with values and flags; of a list, a table of its elements and "list"; of what has no
-- form here, nil and why.
function methods.items(self, wanted)
  local next_key = self:keys({ prefix = prefix_of(wanted) })
  return function()
    for key in next_key do
      local value, flags = self:get(key)
      if flags == "value is a list" then
        value, flags = self:lrange(key)
        flags = value and "list" or flags
      end
      if value ~= nil or flags then
        return key, value, flags
      end
    end
  end
end

local function figure_of(read, handle)
  phase[1] = CALLED
  read(handle, number)
  local figure = tonumber(number[0])
  phase[1] = false
  return figure
end

-- Bytes that the dictionary was made for.
function methods.capacity(self)
  return figure_of(library.mhshm_capacity_bytes, handle_of(self))
end

-- Bytes that new entries can take.
function methods.free_space(self)
  return figure_of(library.mhshm_free_bytes, handle_of(self))
end

local NUMBERS = {
  "shards",
  "entries",
  "elements",
  "capacity_bytes",
  "used_bytes",
  "free_bytes",
  "segment_bytes",
  "hits",
  "misses",
  "writes",
  "refusals",
  "evictions",
  "expiries",
  "lock_waits",
  "repairs",
}

-- A table of what the dictionary counts.
function methods.statistics(self)
  local numbers, result = growing("mhshm_numbers"), {}
  library.mhshm_statistics(handle_of(self), numbers)
  for _, name in ipairs(NUMBERS) do
    result[name] = tonumber(numbers[name])
  end
  return result
end

-- Writes a dictionary in a file to the disk; true once that is done. The thread waits for the disk,
-- in nginx too.
function methods.sync(self)
  local handle = handle_of(self)
  phase[1] = CALLED
  if library.mhshm_sync(handle) ~= OK then
    return nil, message()
  end
  phase[1] = false
  return true
end

-- Verifies every invariant: how many do not hold, and a text with a line for each.
function methods.check(self)
  local handle = handle_of(self)
  phase[1] = CALLED
  local code = library.mhshm_check(handle, buffer, BUFFER_BYTES, size, count)
  if code ~= OK and code ~= TOO_SMALL then
    return nil, message()
  end
  local findings = tonumber(count[0])
  local text = code == OK and text_of(buffer, size[0]) or "too many to tell"
  phase[1] = false
  return findings, text
end

return {
  methods = methods,
  use = function(loaded)
    library = loaded
  end,
}
