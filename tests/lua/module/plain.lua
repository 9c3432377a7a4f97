-- A module for the suites: tells what it was loaded with.

local name, place = ...
return { name = name, place = place }
