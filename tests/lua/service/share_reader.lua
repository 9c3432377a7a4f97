-- A service that reads shared tables.

local hive = require "hive"

local share = hive.share
local kept, held

return {
  -- Strings that came in a message: this VM's own.
  keep = function(word, value)
    kept = { [word] = value }
    return true
  end,

  compare = function(name, word)
    local t = share.get(name)
    local key = next(kept)
    assert(t[key] == kept[key] and t[word] == kept[t.list[1]])
    for k, v in pairs(t) do
      if k == key then
        assert(kept[k] == v)
      end
    end
    return t[word]
  end,

  hold = function(name)
    held = share.get(name)
    collectgarbage()
    return #held.rows
  end,

  release = function()
    held = nil
    collectgarbage()
    return true
  end,

  echo = function(t)
    return t
  end,

  run = function(name, field, ...)
    return share.get(name)[field](...)
  end,

  run_of = function(name)
    return share.require(name).run
  end,
}
