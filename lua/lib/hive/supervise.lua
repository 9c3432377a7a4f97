-- hive.supervise: starts the standard service that keeps others running.
--
-- A part of the module `hive`, loaded when it is first used.

local hive = ...

-- Starts the children in order, under a supervisor that this service is linked to.
function hive.supervise(children, options)
  local own = {}
  for name, value in pairs(options or {}) do
    own[name] = value
  end
  local name, linked = own.register, own.link ~= false
  own.register, own.link = nil, nil
  local supervisor = hive.spawn({ "hive.supervisor", register = name }, children, own)
  if linked then
    hive.link(supervisor)
  end
  return supervisor
end
