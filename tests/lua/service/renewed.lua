-- A service whose handlers are replaced, removed, hidden behind a metatable and brought back.

local handlers
local steps = {
  function()
    handlers.answer = function(value)
      return "second", value
    end
  end,
  function()
    handlers.answer = nil
  end,
  function()
    setmetatable(handlers, {
      __index = {
        answer = function(value)
          return "inherited", value
        end,
      },
    })
  end,
  function()
    handlers.answer = function(value)
      return "third", value
    end
  end,
}

handlers = {
  answer = function(value)
    return "first", value
  end,
  step = function(number)
    steps[number]()
  end,
}
return handlers
