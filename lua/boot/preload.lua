-- Begins a service of a host that has a file to run before that of every service: both get the
-- arguments of the service.

local preload, main = ...
preload(select(3, ...))
return main(select(3, ...))
