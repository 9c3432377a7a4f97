-- A service that takes part in the workload: called as setup.lua is.

require "setup"(...)

return require "workload"
