-- hive.supervise: starts the standard service that keeps others running.
--
-- A part of the module `hive`, loaded when it is first used.

local hive = ...

local function check(position, expected, value)
  if value ~= nil and type(value) ~= "table" then
    local problem = ("%s expected, got %s"):format(expected, type(value))
    error(("bad argument #%d to 'hive.supervise' (%s)"):format(position, problem), 3)
  end
end

-- Starts the children in order, under a supervisor that this service is linked to.
function hive.supervise(children, options)
  check(1, "list of children", children)
  check(2, "table of options", options)
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
