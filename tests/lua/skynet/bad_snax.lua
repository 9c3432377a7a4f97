-- A snax service that defines a function twice.

function accept.twice() end
function accept.twice() end
