-- A snax service that counts.

local skynet = require "skynet"
local snax = require "skynet.snax"
local n = 0
local log = {}

local function note(text)
  log[#log + 1] = text
end

function accept.add(by)
  n = n + by
  note("added " .. by)
end

function response.value()
  return n, SERVICE_NAME
end

function response.fail()
  error "a failing response"
end

local hanging = 0

function response.hang()
  hanging = hanging + 1
  skynet.wait()
end

function response.hangs()
  return hanging
end

function response.log()
  return table.concat(log, ", ")
end

function response.itself()
  return snax.self().handle
end

function accept.leave(...)
  snax.exit(...)
end

function response.enable()
  snax.enablecluster()
end

function init(first, ...)
  if first == "fail" then
    error "a failing init"
  end
  n = first or 0
  note("init with " .. select("#", ...))
end

function exit(...)
  skynet.error("exit with", ...)
end
