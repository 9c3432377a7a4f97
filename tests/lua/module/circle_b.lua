-- The other half.

return { a = require "module.circle_a" }
