-- Half of two modules that require each other.

return { b = require "module.circle_b" }
