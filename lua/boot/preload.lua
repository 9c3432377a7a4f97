-- Begins a service of a host that has a file to run before that of every service: both get the
-- arguments of the service, the one that comes first behind its name. Only configurations of skynet
-- name such a file, and it may use what a service for skynet knows of itself (`SERVICE_NAME`). A
-- host without the module does without.
--
-- Of a service that begins with a function the first one gets only what it gets on skynet: the name
-- of a file that all of them have there, and that of the service.

local preload, main, is_cell = ...
if is_cell then
  _G.SERVICE_NAME = "service_cell"
end
pcall(require, "skynet")
if is_cell then
  preload(SERVICE_NAME, (select(4, ...)))
else
  preload(SERVICE_NAME, select(4, ...))
end
return main(select(4, ...))
