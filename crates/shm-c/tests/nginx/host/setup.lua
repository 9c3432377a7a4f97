-- Makes a service one in which libraries for nginx run: called with the beginning of the names of
-- the dictionaries, the folder of the libraries, and that of the scripts that nginx runs, too.

local compat = require "compat.ngx"
local shared = require "shared"

return function(name, libraries, scripts)
  package.path = ("%s/?.lua;%s/?.lua;/usr/share/lua/5.1/?.lua;"):format(libraries, scripts)
    .. package.path
  package.preload["cjson.safe"] = function()
    local json = require "dkjson"
    return {
      encode = json.encode,
      decode = function(text)
        local value, _, err = json.decode(text)
        return value, err
      end,
    }
  end
  local dictionaries = {}
  for _, one in ipairs { "cache", "misses", "locks", "events" } do
    dictionaries["ours_" .. one] = shared.open(name .. "-" .. one)
  end
  compat.install(dictionaries)
end
