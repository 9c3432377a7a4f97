-- A service for the suites that does not compile.

local function
