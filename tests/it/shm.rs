//! `moonhive shm`, and dictionaries that several processes share.

use crate::support::{Running, Scratch};

/// A dictionary of one test; its name is given back when the test ends.
pub struct Named(String);

impl Named {
    pub fn new(test: &str) -> Self {
        Self(format!("it-{}-{test}", std::process::id()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(format!("/dev/shm/moonhive.{}", self.0));
    }
}

/// Makes a dictionary with a few entries.
pub fn made(scratch: &Scratch, test: &str) -> Named {
    let name = Named::new(test);
    scratch.file("empty.jsonl", "");
    let create = ["shm", "load", name.as_str(), "empty.jsonl", "--create", "1MiB"];
    scratch.run(create).expect_code(0);
    for (key, value, kind) in [("user:1", "ada", "string"), ("visits", "-7", "integer")] {
        let set = ["shm", "set", name.as_str(), key, value, "--type", kind];
        scratch.run(set).expect_code(0);
    }
    name
}

#[test]
fn what_is_set_can_be_read_and_listed() {
    let scratch = Scratch::new("shm_set");
    let name = made(&scratch, "set");
    assert_eq!(scratch.run(["shm", "get", name.as_str(), "user:1"]).expect_code(0).stdout, "ada\n");
    let get = ["shm", "get", name.as_str(), "visits", "--json"];
    let json = scratch.run(get).expect_code(0).stdout;
    assert_eq!(json, "{\"key\":\"visits\",\"type\":\"integer\",\"value\":-7}\n");
    let keys = ["shm", "keys", name.as_str(), "--prefix", "user:"];
    assert_eq!(scratch.run(keys).expect_code(0).stdout, "user:1\n");
    let list = scratch.run(["shm", "ls"]).expect_code(0).stdout;
    let row = list.lines().find(|line| line.starts_with(name.as_str()));
    let row = row.unwrap_or_else(|| panic!("{list}"));
    assert!(row.contains(" 2 ") && row.contains(" stale "), "{row}");
    let stat = scratch.run(["shm", "stat", name.as_str(), "--json"]).expect_code(0).stdout;
    let stat: serde_json::Value = serde_json::from_str(&stat).unwrap();
    assert_eq!((&stat["entries"], &stat["capacity_bytes"]), (&2.into(), &(1 << 20).into()));
    let stat = scratch.run(["shm", "stat", name.as_str()]).expect_code(0).stdout;
    assert!(stat.contains("capacity       1.0 MiB"), "{stat}");
    let deep = ["shm", "stat", name.as_str(), "--deep", "--json"];
    let deep = scratch.run(deep).expect_code(0).stdout;
    let deep: serde_json::Value = serde_json::from_str(&deep).unwrap();
    assert_eq!((&deep["values"], &deep["key_bytes"]), (&2.into(), &12.into()));
    assert_eq!((&deep["live_bytes"], &deep["element_bytes"]), (&deep["used_bytes"], &0.into()));
}

#[test]
fn what_is_not_there_is_an_error_with_a_hint() {
    let scratch = Scratch::new("shm_absent");
    let name = made(&scratch, "absent");
    let ended = scratch.run(["shm", "get", "it-no-such", "key"]).expect_code(1);
    assert_eq!(
        ended.stderr,
        "error: no object is named \"it-no-such\"\nhint: `moonhive shm ls` shows what there is\n"
    );
    let ended = scratch.run(["shm", "get", name.as_str(), "none"]).expect_code(1);
    assert_eq!(ended.stderr, "error: no entry has the key \"none\"\n");
    let set = ["shm", "set", name.as_str(), "n", "many", "--type", "integer"];
    assert_eq!(scratch.run(set).expect_code(2).stderr, "error: `many` is no integer\n");
}

const FILL: &str = r#"
local shared = require "shared"
local dict = shared.open((...))
dict:set("table", { 1, 2, x = "y" })
dict:set("bytes\255", "\0\255", 0, 3)
dict:set("float", 2.5, 100)
dict:set("inf", 1 / 0)
dict:set("no", false)
dict:rpush("list", "a")
dict:rpush("list", 2)
"#;

const COMPARE: &str = r#"
local shared = require "shared"
local dict = shared.open((...))
assert(dict:get("table").x == "y" and #dict:get "table" == 2)
local value, flags = dict:get "bytes\255"
assert(value == "\0\255" and flags == 3)
assert(dict:get "float" == 2.5 and dict:ttl "float" > 50)
assert(dict:get "inf" == 1 / 0 and dict:get "no" == false)
assert(dict:lpop "list" == "a" and dict:lpop "list" == 2)
assert(math.type(dict:get "visits") == "integer")
print "the same"
"#;

#[test]
fn a_dump_is_loaded_as_it_was() {
    let scratch = Scratch::new("shm_dump");
    let (name, copy) = (made(&scratch, "dump"), Named::new("copy"));
    scratch.file("fill.lua", FILL).file("compare.lua", COMPARE);
    scratch.run(["run", "fill.lua", name.as_str()]).expect_code(0);
    scratch.run(["shm", "dump", name.as_str(), "--output", "dump.jsonl"]).expect_code(0);
    let load = ["shm", "load", copy.as_str(), "dump.jsonl", "--create", "64KiB"];
    assert_eq!(scratch.run(load).expect_code(0).stdout, "8 entries loaded\n");
    let compared = scratch.run(["run", "compare.lua", copy.as_str()]).expect_code(0);
    assert!(compared.stdout.contains("the same"), "{}", compared.stdout);
    let get = ["shm", "get", name.as_str(), "list"];
    assert_eq!(scratch.run(get).expect_code(0).stdout, "a\n2\n");
}

#[test]
fn a_healthy_dictionary_is_called_so_and_a_removed_one_is_gone() {
    let scratch = Scratch::new("shm_check");
    let name = made(&scratch, "check");
    let check = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert_eq!(check, "2 entries: healthy\n");
    let check = scratch.run(["shm", "check", name.as_str(), "--json"]).expect_code(0).stdout;
    let check: serde_json::Value = serde_json::from_str(&check).unwrap();
    assert_eq!(check["findings"], serde_json::json!([]));
    let repair = scratch.run(["shm", "repair", name.as_str()]).expect_code(0).stdout;
    assert_eq!(repair, "2 entries before, 2 after\n");
    scratch.run(["shm", "rm", name.as_str()]).expect_code(0);
    let ended = scratch.run(["shm", "rm", name.as_str()]).expect_code(1);
    assert!(ended.stderr.contains("no object is named"), "{}", ended.stderr);
}

const COUNTING: &str = r#"
local dict = require("shared").open((...))
for _ = 1, 20000 do
  dict:incr("shared", 1, 0)
end
"#;

#[test]
fn two_hosts_count_in_one_dictionary() {
    let scratch = Scratch::new("shm_two_hosts");
    let name = made(&scratch, "two");
    scratch.file("counting.lua", COUNTING);
    let start = || Running::start(scratch.moonhive(["run", "counting.lua", name.as_str()]));
    let (left, right) = (start(), start());
    left.wait().expect_code(0);
    right.wait().expect_code(0);
    let get = ["shm", "get", name.as_str(), "shared"];
    assert_eq!(scratch.run(get).expect_code(0).stdout, "40000\n");
}

const HOLDING: &str = r#"
local hive = require "hive"
local dict = require("shared").open((...))
local lock = dict:lock "job"
print "held"
hive.sleep(60)
lock:unlock()
"#;

const TAKING: &str = r#"
local dict = require("shared").open((...))
local held = dict:lock("job", { timeout = 0 })
if not held then
  print "waits"
  held = dict:lock("job", { timeout = 20 })
end
assert(held)
print "taken over"
"#;

#[test]
fn the_lock_of_a_killed_host_is_taken_over() {
    let scratch = Scratch::new("shm_lock");
    let name = made(&scratch, "lock");
    scratch.file("holding.lua", HOLDING).file("taking.lua", TAKING);
    let mut holder = Running::start(scratch.moonhive(["run", "holding.lua", name.as_str()]));
    holder.wait_for_line("held");
    holder.signal("KILL");
    holder.wait();
    let taken = scratch.run(["run", "taking.lua", name.as_str()]).expect_code(0);
    assert!(taken.stdout.contains("taken over"), "{}", taken.stdout);
}

const WAITING: &str = r#"
local hive = require "hive"
local dict = require("shared").open((...))
-- Runs once the wait has suspended this task.
hive.fork(function()
  print "waits"
end)
local changed, version = dict:wait("news", nil, 60)
assert(changed and version == dict:version "news")
print("found", dict:get "news", dict:blpop("jobs", 60))
"#;

#[test]
fn a_change_by_another_process_ends_a_wait() {
    let scratch = Scratch::new("shm_wait");
    let name = made(&scratch, "wait");
    scratch.file("waiting.lua", WAITING);
    let mut waiting = Running::start(scratch.moonhive(["run", "waiting.lua", name.as_str()]));
    waiting.wait_for_line("waits");
    scratch.run(["shm", "set", name.as_str(), "news", "good"]).expect_code(0);
    scratch.file("job.jsonl", JOB);
    scratch.run(["shm", "load", name.as_str(), "job.jsonl"]).expect_code(0);
    let ended = waiting.wait().expect_code(0);
    assert!(ended.stdout.contains("found\tgood\twork"), "{}", ended.stdout);
}

const JOB: &str = "{\"key\":\"jobs\",\"type\":\"list\",\"elements\":[{\"type\":\"string\",\"value\":\"work\"}]}\n";

const LEAVING: &str = r#"
local hive = require "hive"
local dict = require("shared").open((...))
for i = 1, 100 do
  hive.fork(dict.wait, dict, "key" .. i)
  hive.fork(dict.blpop, dict, "list")
  hive.fork(dict.lock, dict, "user:1")
end
-- Runs after the tasks that were forked before, which wait by then.
hive.fork(hive.shutdown, 7)
"#;

#[test]
fn a_host_ends_while_its_services_wait_for_a_dictionary() {
    let scratch = Scratch::new("shm_leave");
    let name = made(&scratch, "leave");
    scratch.file("leaving.lua", LEAVING);
    scratch.run(["run", "leaving.lua", name.as_str()]).expect_code(7);
    let check = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert!(check.ends_with("healthy\n"), "{check}");
}

#[test]
fn a_lock_is_handed_over_when_its_host_is_killed_meanwhile() {
    let scratch = Scratch::new("shm_handover");
    let name = made(&scratch, "handover");
    scratch.file("holding.lua", HOLDING).file("taking.lua", TAKING);
    let mut holder = Running::start(scratch.moonhive(["run", "holding.lua", name.as_str()]));
    holder.wait_for_line("held");
    let mut taker = Running::start(scratch.moonhive(["run", "taking.lua", name.as_str()]));
    taker.wait_for_line("waits");
    holder.signal("KILL");
    let taken = taker.wait().expect_code(0);
    assert!(taken.stdout.contains("taken over"), "{}", taken.stdout);
    holder.wait();
}

const KEEPING_BUSY: &str = r#"
local dict = require("shared").open((...))
local value = ("x"):rep(400000)
print "writes"
while true do
  dict:set("held", value)
end
"#;

/// Stops the process until it is met with a lock, and prints how check and repair fail then.
const MEETING_A_LOCK: &str = r#"
local name, pid = ...
local dict = require("shared").open(name, { lock_timeout = 0.03 })
local function code_of(method)
  local ok, err = pcall(method, dict)
  return not ok and err.code
end
for _ = 1, 2000 do
  os.execute("kill -STOP " .. pid)
  local checked, repaired = code_of(dict.check), code_of(dict.repair)
  if checked and repaired then
    print(checked, repaired)
    break
  end
  os.execute("kill -CONT " .. pid)
end
"#;

#[test]
fn check_and_repair_say_that_a_stopped_process_holds_a_lock() {
    let scratch = Scratch::new("shm_stopped");
    let name = made(&scratch, "stopped");
    scratch.file("busy.lua", KEEPING_BUSY).file("meeting.lua", MEETING_A_LOCK);
    let mut busy = Running::start(scratch.moonhive(["run", "busy.lua", name.as_str()]));
    busy.wait_for_line("writes");
    let pid = busy.id().to_string();
    let met = scratch.run(["run", "meeting.lua", name.as_str(), &pid]).expect_code(0);
    assert_eq!(met.stdout, "lock_timeout\tlock_timeout\n");
    busy.signal("KILL");
    busy.wait();
    let check = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert!(check.ends_with("healthy\n"), "{check}");
}

const WRITING: &str = r#"
local dict = require("shared").dict("kept", { file = "kept.dict", size = "256k" })
dict:set("first", "kept")
print "writes"
for i = 1, math.huge do
  dict:set("noise" .. i % 100, ("x"):rep(i % 500))
end
"#;

#[test]
fn a_dictionary_in_a_file_survives_its_killed_host() {
    let scratch = Scratch::new("shm_file");
    scratch.file("writing.lua", WRITING);
    for _ in 0..3 {
        let mut host = Running::start(scratch.moonhive(["run", "writing.lua"]));
        host.wait_for_line("writes");
        host.signal("KILL");
        host.wait();
        let check = scratch.run(["shm", "check", "./kept.dict"]).expect_code(0).stdout;
        assert!(check.ends_with("healthy\n"), "{check}");
        let first = scratch.run(["shm", "get", "./kept.dict", "first"]).expect_code(0).stdout;
        assert_eq!(first, "kept\n");
    }
    let stat = scratch.run(["shm", "stat", "./kept.dict", "--json"]).expect_code(0).stdout;
    assert!(stat.contains("\"capacity_bytes\": 262144"), "{stat}");
    scratch.run(["shm", "dump", "./kept.dict", "-o", "dump.jsonl"]).expect_code(0);
    let load = ["shm", "load", "./copy.dict", "dump.jsonl", "--create", "256KiB"];
    scratch.run(load).expect_code(0);
    let refused = scratch.run(["shm", "rm", "./dump.jsonl"]).expect_code(1).stderr;
    assert!(refused.contains("not one of our objects"), "{refused}");
    scratch.run(["shm", "rm", "./kept.dict", "./copy.dict"]).expect_code(0);
    let gone = scratch.run(["shm", "stat", "./kept.dict"]).expect_code(1).stderr;
    assert!(gone.starts_with("error: no object is named \"./kept.dict\""), "{gone}");
    assert!(scratch.path("dump.jsonl").exists());
}

#[test]
fn the_example_of_sessions_runs_twice_on_one_dictionary() {
    let scratch = Scratch::new("shm_example");
    let name = Named::new("example");
    let main = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sessions/main.lua");
    let first = scratch.run(["run", main, name.as_str()]).expect_code(0).stdout;
    assert!(first.contains("made the dictionary") && first.contains("visit 1 "), "{first}");
    let second = scratch.run(["run", main, name.as_str()]).expect_code(0).stdout;
    assert!(second.contains("opened the dictionary") && second.contains("visit 2 "), "{second}");
    assert!(second.contains("job\t3"), "{second}");
}
