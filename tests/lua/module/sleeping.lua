-- A module whose file sleeps for long.

require("hive").sleep(60)
