-- Counts the words of the machine's licence texts with a thousand services.
--
-- Every worker is a VM of its own that requires Penlight, dkjson and inspect, all of them executing
-- one shared copy of that code. This file lists the texts, cuts them into jobs, hands a job to each
-- worker that is free, and merges the JSON reports that come back. The result is printed as JSON.
--
-- Settings (`--set KEY=VALUE`): `workers` (default 1000), `root` (default /usr/share).

local List = require "pl.List"
local hive = require "hive"
local json = require "dkjson"
local progress = require "progress"
local report = require "report"
local stringx = require "pl.stringx"

local WORKERS = math.tointeger(tonumber(hive.env "workers")) or 1000
local ROOT = hive.env "root" or "/usr/share"

-- The licence texts and the copyright notes, in an order that does not depend on the machine.
local function list_files()
  local command = "LC_ALL=C ls -d %s/common-licenses/* %s/doc/*/copyright"
  local listing <close> = assert(io.popen(command:format(ROOT, ROOT)))
  local files = List(stringx.splitlines(listing:read "a"))
  assert(#files > 0, "no texts below " .. ROOT)
  return files
end

-- Cuts the files into at least as many jobs as there are workers: a job is every `parts`-th line.
local function make_jobs(files)
  local parts = math.ceil(WORKERS / #files)
  local jobs = List()
  for path in files:iter() do
    for part = 1, parts do
      jobs:append { path = path, part = part, parts = parts }
    end
  end
  return jobs
end

-- Gives each worker one job after the other until none is left; returns the merged report. The log
-- tells what the first job was like.
local function work_off(jobs)
  local total = report.new()
  local bar <close> = progress.new("jobs", #jobs)
  local all_done, busy, taken, problem = {}, WORKERS, 0, nil

  local function feed(worker)
    while taken < #jobs and not problem do
      taken = taken + 1
      report.merge(total, json.decode(worker:analyse(jobs[taken])))
      bar:step()
    end
  end

  -- The first worker that fails stops all.
  local function serve(worker)
    local ok, message = pcall(feed, worker)
    problem = problem or not ok and message
    busy = busy - 1
    if busy == 0 then
      hive.wakeup(all_done)
    end
  end

  local workers = List()
  for _ = 1, WORKERS do
    workers:append(hive.spawn "worker")
    hive.fork(serve, workers[#workers])
  end
  hive.wait(all_done)
  if problem then
    error(problem, 0)
  end
  hive.log.info("the first job:", workers[1]:describe(jobs[1]))
  return total
end

local files = list_files()
local total = report.summary(work_off(make_jobs(files)), #files, WORKERS)
print(json.encode(total, { indent = true, keyorder = report.KEY_ORDER }))
