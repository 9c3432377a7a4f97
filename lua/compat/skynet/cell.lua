-- The file of a service that begins with a function: gets the name, the function's code, and the
-- function's arguments.

local name, code = ...
SERVICE_NAME = name
return assert(load(code, "=" .. name, "b"))(select(3, ...))
