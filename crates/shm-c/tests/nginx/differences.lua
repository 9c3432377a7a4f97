-- What docs/shared-dictionaries.md says that dictionaries do otherwise than nginx's own, on
-- purpose: a line for each, given a dictionary of 512 KiB and one of 4 MiB.

return function(small, large, write)
  local text = ("x"):rep(1000)

  local function fill(dict, key, size, exptime)
    dict:flush_all()
    dict:flush_expired()
    local value, count = ("x"):rep(size), 0
    repeat
      count = count + 1
      local ok, _, forcible = dict:set(key .. count, value, exptime)
    until not ok or forcible
    return count
  end

  -- A value that needs the room of more than 30 others.
  fill(small, "k", 400)
  local ok, err = small:set("large", ("x"):rep(100000))
  write("100 kB into a full dictionary: " .. tostring(ok) .. " " .. tostring(err))

  -- What has expired and is thrown out for another one.
  small:flush_all()
  small:flush_expired()
  local count = 0
  while small:safe_set("brief" .. count, text, 0.05) do
    count = count + 1
  end
  ngx.sleep(0.1)
  local _, _, forcible = small:set("large", ("x"):rep(20000))
  write("forcible when only what had expired went: " .. tostring(forcible))

  -- What has expired behind a cold entry that lives.
  small:flush_all()
  small:flush_expired()
  small:set("cold", text)
  count = 0
  while small:safe_set("brief" .. count, text, 0.05) do
    count = count + 1
  end
  ngx.sleep(0.1)
  ok, err = small:safe_set("another", text)
  write("safe_set behind a cold entry: " .. tostring(ok) .. " " .. tostring(err))

  -- Room that is less than a page.
  small:flush_all()
  small:flush_expired()
  small:set("first", "x")
  local before = small:free_space()
  small:set("second", "x")
  write("free_space sees a small entry: " .. tostring(small:free_space() < before))

  -- Five milliseconds after the end: a look each time, until one is exactly that.
  local seen = {}
  for _ = 1, 200 do
    small:set("brief", 1, 0.001)
    local ttl
    repeat
      ngx.update_time()
      ttl, err = small:ttl("brief")
      seen[ttl and ("%.3f"):format(ttl) or err] = true
    until not ttl or ttl < -0.006
    if seen["-0.005"] or seen["not found"] then
      break
    end
  end
  write("ttl at -5 ms: " .. (seen["-0.005"] and "-0.005" or "not found"))

  -- Which entries a large dictionary throws out.
  count = fill(large, "k", 900)
  local half = math.floor(count / 2)
  for index = 1, half do
    large:get("k" .. index)
  end
  for index = 1, half / 2 do
    large:set("more" .. index, ("x"):rep(900))
  end
  local lost_used, lost_cold, first_kept, is_in_order = 0, 0, nil, true
  for index = 1, count do
    local is_there = large:get("k" .. index) ~= nil
    if index <= half then
      lost_used = lost_used + (is_there and 0 or 1)
    elseif not is_there then
      lost_cold = lost_cold + 1
      is_in_order = is_in_order and not first_kept
    else
      first_kept = first_kept or index
    end
  end
  write("a large one throws out in order of use: " .. tostring(is_in_order))
  write("and what was used since: " .. tostring(lost_used > lost_cold / 10))
end
