-- hive.share: tables that all services read in place, without a copy of their own.
--
-- A part of the module `hive`, loaded when it is first used.

local hive, share = ...
local error, package = error, package
local run = share.run
share.run = nil

-- The result of a module that consists of data: run once for the host, shared by all services.
function share.require(name)
  local path, message = package.searchpath(name, package.path)
  if not path then
    error(("shared module '%s' not found:%s"):format(name, message), 2)
  end
  return run(path, name)
end

hive.share = share
