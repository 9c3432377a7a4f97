-- A module of data; `run` tells one run from another.

return {
  run = tostring {},
  items = { { name = "sword", price = 10 }, { name = "axe", price = 7 } },
}
