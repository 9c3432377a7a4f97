-- Begins a service of a host that has a file to run before that of every service: both get the
-- arguments of the service, the one that comes first behind its name. Only configurations of skynet
-- name such a file, and it may use what a service for skynet knows of itself (`SERVICE_NAME`). A
-- host without the module does without.

local preload, main = ...
pcall(require, "skynet")
preload(SERVICE_NAME, select(3, ...))
return main(select(3, ...))
