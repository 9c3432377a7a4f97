-- The service `.logger` of a host whose log no service of the program takes: writes down what it is
-- sent.

local skynet = require "skynet"

skynet.register_protocol {
  name = "text",
  id = skynet.PTYPE_TEXT,
  unpack = skynet.tostring,
  dispatch = function(_, source, text)
    skynet.error(("[%s] %s"):format(skynet.address(source), text))
  end,
}

skynet.start(function() end)
