//! One service of a thousand fails: the others finish with the right answers, and callers of the
//! one are told the cause.

use std::time::{Duration, Instant};

use moonhive::actor::{Host, Spawn};

const SERVICES: usize = 1_000;
/// Which of them fails.
const VICTIM: usize = 137;
/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Sums in several messages with waits in between; the victim also does what it is told.
const WORKER: &str = r#"
    local hive = require "hive"
    local ways = {
      fail = function() error "failed on purpose" end,
      memory = function()
        local kept = {}
        while true do kept[#kept + 1] = ("x"):rep(1 << 16) .. #kept end
      end,
      loop = function() while true do end end,
      stubborn_loop = function()
        while true do pcall(function() while true do end end) end
      end,
      find = function() return (("a"):rep(40)):find(("a-"):rep(40) .. "b") end,
      gsub = function()
        while true do (("x"):rep(100)):gsub(".", function() pcall(error) end) end
      end,
      sort = function()
        local list = {}
        for i = 1, 1000 do list[i] = i end
        while true do pcall(table.sort, list, function() error "x" end) end
      end,
      exit = function() hive.exit "as told" end,
      wait = function() hive.wait {} end,
    }
    return {
      sum = function(n)
        local sum = 0
        for i = 1, n do
          sum = sum + i
          if i % 10 == 0 then hive.sleep(0) end
        end
        return sum
      end,
      misbehave = function(way) return ways[way]() end,
    }
"#;

/// Spawns the services, lets all work while one misbehaves, and tells how that ended.
const MAIN: &str = r#"
    local hive = require "hive"
    local count, victim, way, worker, killed = ...
    local workers = {}
    for i = 1, count do
      workers[i] = hive.spawn({ worker, memory_limit = 8 << 20 })
    end
    local left, done, right = count, {}, 0
    local function finished()
      left = left - 1
      if left == 0 then hive.wakeup(done) end
    end
    local outcomes = {}
    for i = 1, count do
      hive.fork(function()
        if i == victim then
          for _ = 1, 3 do
            left = left + 1
            hive.fork(function()
              local _, err = pcall(workers[i].misbehave, workers[i], way)
              outcomes[#outcomes + 1] = type(err) == "table" and { code = err.code, message = err.message } or { code = "?", message = tostring(err) }
              finished()
            end)
          end
          if killed then
            hive.sleep(0.01)
            hive.kill(workers[i], "by the test")
          end
        elseif workers[i]:sum(100) == 5050 then
          right = right + 1
        end
        finished()
      end)
    end
    if left > 0 then hive.wait(done) end
    return { outcome = function() return right, outcomes end }
"#;

#[derive(Debug, serde::Deserialize)]
struct Outcome {
    code: String,
    message: String,
}

fn run(way: &str, killed: bool) -> Vec<Outcome> {
    let began = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let worker = directory.path().join("worker.lua");
    std::fs::write(&worker, WORKER).unwrap();
    let host = Host::builder()
        .threads(2)
        .turn_limit(Some(Duration::from_millis(200)))
        .build()
        .expect("threads can be started");
    let main = Spawn::text("main", MAIN);
    let arguments = (SERVICES, VICTIM, way, worker.to_str().unwrap(), killed);
    let main = host.spawn(main, arguments).unwrap();
    let (right, outcomes): (usize, Vec<Outcome>) = host.call(main, "outcome", ()).unwrap();
    assert_eq!(right, SERVICES - 1, "the others have to finish with the right answers");
    assert_eq!(outcomes.len(), 3);
    host.shutdown();
    assert!(began.elapsed() < WATCHDOG);
    outcomes
}

fn assert_all(outcomes: &[Outcome], codes: &[&str], message: &str) {
    for outcome in outcomes {
        assert!(codes.contains(&outcome.code.as_str()), "{outcomes:?}");
        assert!(outcome.message.contains(message), "{outcomes:?}");
    }
}

#[test]
fn an_error() {
    assert_all(&run("fail", false), &["error"], "failed on purpose");
}

#[test]
fn a_kill() {
    assert_all(&run("wait", true), &["dead"], "it was killed: by the test");
}

#[test]
fn a_kill_of_a_looping_service() {
    assert_all(&run("stubborn_loop", true), &["dead"], "it was killed: by the test");
}

#[test]
fn an_exit() {
    assert_all(&run("exit", false), &["dead"], "it exited: as told");
}

#[test]
fn the_end_of_memory() {
    assert_all(&run("memory", false), &["memory"], "not enough memory");
}

#[test]
fn an_endless_loop() {
    // Three turns overrun: the third ends the service.
    assert_all(&run("loop", false), &["turn_limit", "dead"], "interrupted");
}

#[test]
fn a_loop_that_swallows_errors() {
    assert_all(&run("stubborn_loop", false), &["turn_limit", "dead"], "interrupted");
}

#[test]
fn loops_inside_the_library() {
    for way in ["find", "gsub", "sort"] {
        assert_all(&run(way, false), &["turn_limit", "dead"], "interrupted");
    }
}

#[test]
fn a_message_of_many_tables_takes_no_more_memory_than_its_receiver_may_use() {
    let host = Host::builder().threads(2).build().expect("threads can be started");
    let receiver = "return {
        take = function() end,
        used = function() return collectgarbage 'count' // 1 | 0 end,
    }";
    let receiver = Spawn::text("receiver", receiver).memory_limit_bytes(16 << 20);
    let receiver = host.spawn(receiver.register("receiver"), ()).unwrap();
    let sender = "local hive = require 'hive'
        return { send = function(levels)
          local tables = {}
          for _ = 1, levels do tables = { tables, tables } end
          local ok, err = pcall(hive.call, 'receiver', 'take', tables)
          return ok, not ok and err.code or ''
        end }";
    let sender = host.spawn(Spawn::text("sender", sender), ()).unwrap();
    let send = |levels: i64| host.call::<(bool, String)>(sender, "send", (levels,)).unwrap();
    assert_eq!(send(10), (true, String::new()));
    // Two mebibytes that announce a million tables.
    assert_eq!(send(20), (false, "memory".to_owned()));
    let used_kib: i64 = host.call(receiver, "used", ()).unwrap();
    assert!(used_kib < 17 << 10, "{used_kib} KiB");
    assert_eq!(send(10), (true, String::new()));
    host.shutdown();
}
