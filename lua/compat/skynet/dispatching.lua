-- `skynet.dispatch_message`, and programs that put a function of their own in its place: that one
-- gets every request, and calls the one that stood there before for those that it leaves alone.

local skynet, is_start = ...
local core = require "skynet.core"
local pack, unpack, xpcall = table.pack, table.unpack, xpcall
local traceback = debug.traceback

local state = rawget(core, "dispatching") or {}
rawset(core, "dispatching", state)

-- Has a message handled as if it had come to this service; the one that the program's own function
-- looks at just now is handled at once.
state.own = state.own
  or function(protocol, msg, sz, session, source)
    if state.is_open then
      state.is_open = false
      state.passed = pack(protocol, msg, sz, session, source)
      return
    end
    skynet.redirect(skynet.self(), source, protocol, session, msg, sz)
  end

if not is_start then
  skynet.dispatch_message = state.own
  return
end

local given = skynet.dispatch_message
if given == state.own then
  return
end

-- What is handled in the place of a message; false if the program has done with it.
return function(...)
  state.is_open, state.passed = true, nil
  local ok, err = xpcall(given, traceback, ...)
  local passed = state.passed
  state.is_open, state.passed = false, nil
  if not ok then
    error(err, 0)
  end
  if not passed then
    return false
  end
  return unpack(passed, 1, passed.n)
end
