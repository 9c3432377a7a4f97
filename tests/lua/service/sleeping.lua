-- A service whose file sleeps for as long as it is told.

require("hive").sleep(...)
