-- Debian's lua-resty-lrucache as it is, which lives in one worker and needs LuaJIT's ffi: the lines
-- of nginx and of a host must be equal.

return function(out)
  local lrucache = require("resty.lrucache")
  local function write(...)
    local texts = {}
    for index = 1, select("#", ...) do
      local x = select(index, ...)
      texts[index] = type(x) == "number" and ("%d"):format(x) or tostring(x)
    end
    out(table.concat(texts, " "))
  end
  write(lrucache.new(0))
  local cache = assert(lrucache.new(3))
  for index = 1, 4 do
    cache:set("key " .. index, index, nil, index * 10)
    write("set", cache:count(), cache:capacity())
  end
  for index = 1, 4 do
    write("get", cache:get("key " .. index))
  end
  cache:get("key 2")
  cache:set("key 5", false)
  write("keys", table.concat(cache:get_keys(), ", "))
  write("two keys", table.concat(cache:get_keys(2), ", "))
  write("delete", cache:delete("key 2"), cache:delete("key 2"), cache:count())
  cache:set("brief", "x", 0.01)
  ngx.sleep(0.03)
  write("brief", cache:get("brief"))
  cache:set("brief", "y", 100)
  write("brief", cache:get("brief"))
  cache:flush_all()
  write("flushed", cache:count(), cache:get("key 4"), #cache:get_keys())
  for index = 1, 1000 do
    cache:set(index % 7, index)
    write(cache:get(index % 5), cache:count())
  end
end
