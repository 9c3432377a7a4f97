//! What a host tells an operator: on SIGUSR1 what it is at, and by itself of loops and of services
//! that grow.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Running, Scratch, WATCHDOG};

/// The log of a host that is asked for a report when it is ready.
fn reported(scratch: &Scratch, arguments: &[&str]) -> String {
    let mut running = Running::start(scratch.moonhive(arguments.iter().copied()));
    running.wait_for_line("ready");
    running.signal("USR1");
    running.wait().expect_code(0).stderr
}

/// A host whose log is a file of the folder, which it may read.
fn logged(scratch: &Scratch, arguments: &[&str]) -> Running {
    let host = scratch.moonhive(arguments.iter().copied());
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>log"]).arg(host.get_program()).args(host.get_args());
    command.current_dir(scratch.path(""));
    Running::start(command)
}

/// The log of a host that is asked for a report when it is ready, and ended when the log holds
/// these words.
#[track_caller]
fn reported_up_to(scratch: &Scratch, arguments: &[&str], words: &str) -> String {
    let mut running = logged(scratch, arguments);
    running.wait_for_line("ready");
    running.signal("USR1");
    let log = || std::fs::read_to_string(scratch.path("log")).expect("the log");
    let deadline = Instant::now() + WATCHDOG;
    while !log().contains(words) {
        assert!(Instant::now() < deadline, "no {words:?} in\n{}", log());
        thread::sleep(Duration::from_millis(5));
    }
    running.signal("TERM");
    running.wait().expect_code(0);
    log()
}

/// The only line that holds all of these.
#[track_caller]
fn line<'a>(log: &'a str, parts: &[&str]) -> &'a str {
    let mut lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
    let found = lines.next().unwrap_or_else(|| panic!("no line with {parts:?} in\n{log}"));
    assert!(lines.next().is_none(), "two lines with {parts:?} in\n{log}");
    found
}

#[test]
fn a_report_tells_turns_services_and_where_code_is_whatever_the_level_of_the_log() {
    let scratch = Scratch::new("report_busy");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local spin = hive.spawn 'spin'
         for i = 1, 4 do hive.send(spin, 'go') end
         hive.send(spin, 'stop')
         assert(io.open('sent', 'w')):close()",
    );
    // It computes until it finds the report in the file of the log.
    scratch.file(
        "spin.lua",
        "local function inner()
           repeat local file <close> = io.open 'sent' until file
           print 'ready'
           local told
           repeat local file = io.open 'log'; told = file and file:read 'a':find 'runs here' until told
         end
         local function middle() coroutine.wrap(inner)() end
         return {
           go = function() middle() end,
           stop = function() require('hive').shutdown() end,
         }",
    );
    let arguments = ["run", "--turn-limit", "0s", "--log", "error", "main.lua"];
    let mut running = logged(&scratch, &arguments);
    running.wait_for_line("ready");
    running.signal("USR1");
    running.wait().expect_code(0);
    let log = std::fs::read_to_string(scratch.path("log")).expect("the log");
    let host = line(&log, &["the host"]);
    assert!(!host.contains(" busy=0"), "{host}");
    line(&log, &[" spin:", "in a turn", "worker="]);
    let used = line(&log, &[" spin:", "used", "memory_bytes="]);
    assert!(used.contains(" waiting=4 "), "{used}");
    line(&log, &[" spin:", "it runs here:"]);
    let place = log.split("it runs here:").nth(1).expect("a place");
    let at = |what: &str| place.find(what).unwrap_or_else(|| panic!("no {what:?} in {place}"));
    assert!(at("./spin.lua:") < at("in a coroutine of:"), "{place}");
    assert!(at("in a coroutine of:") < at("in upvalue 'middle'"), "{place}");
}

#[test]
fn a_report_of_an_idle_host_wakes_no_service_and_names_those_that_use_most() {
    let scratch = Scratch::new("report_idle");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         for i = 1, 100 do hive.call(hive.spawn('small', i), 'hello') end
         local large = hive.spawn('small', 1e6)
         repeat hive.sleep(0.001) until hive.stats(large).messages == 1
         print 'ready'
         hive.sleep(1)
         assert(hive.stats(large).messages == 1)
         os.exit(0)",
    );
    scratch.file("small.lua", "KEPT = ('x'):rep(...) return { hello = function() end }");
    let log = reported(&scratch, &["run", "main.lua"]);
    let host = line(&log, &["the host"]);
    assert!(host.contains("services=102"), "{host}");
    let named = log.lines().filter(|line| line.contains(" used ")).count();
    assert!((8..=24).contains(&named), "{named} services are named in\n{log}");
    let is_large = |line: &&str| {
        let memory = line.split("memory_bytes=").nth(1).and_then(|rest| rest.split(' ').next());
        memory.and_then(|bytes| bytes.parse().ok()).is_some_and(|bytes: usize| bytes > 1_000_000)
    };
    assert_eq!(log.lines().filter(|line| line.contains("small:")).filter(is_large).count(), 1);
}

#[test]
fn reports_can_be_asked_for_again_and_again() {
    let scratch = Scratch::new("report_often");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         print 'ready'
         local sum = 0
         repeat
           for i = 1, 1000 do
             local small = hive.spawn 'small'
             sum = sum + small:hello(i)
             hive.kill(small)
           end
         until io.open 'enough'
         os.exit(0)",
    );
    scratch.file("small.lua", "return { hello = function(i) return i end }");
    let mut running = Running::start(scratch.moonhive(["run", "--log", "off", "main.lua"]));
    running.wait_for_line("ready");
    for _ in 0..100 {
        running.signal("USR1");
        thread::sleep(Duration::from_millis(2));
    }
    scratch.file("enough", "");
    let log = running.wait().expect_code(0).stderr;
    assert!(log.lines().filter(|line| line.contains("the host")).count() >= 10, "{log}");
}

#[test]
fn an_endless_loop_without_a_turn_limit_is_told_of_with_its_place() {
    let scratch = Scratch::new("report_loop");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local began = os.clock()
         local function forever()
           while os.clock() < began + 6.5 do end
         end
         forever()
         os.exit(0)",
    );
    let ended = scratch.run(["run", "--turn-limit", "0s", "main.lua"]).expect_code(0);
    let (before, place) = ended.stderr.split_once("it runs here:").expect("a place");
    assert!(before.contains("maybe in an endless loop seconds=5"), "{before}");
    assert!(place.contains("main.lua:4: in local 'forever'\n"), "{place}");
}

#[test]
fn a_service_that_grows_is_named_in_the_log() {
    let scratch = Scratch::new("report_grows");
    scratch.file(
        "main.lua",
        "TEXT = ('x'):rep(33 << 20)
         require('hive').sleep(0)
         os.exit(0)",
    );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let told = "WARN main:00000002 memory warning: it uses 33.";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn a_report_shows_who_waits_for_whom_and_rings_that_nobody_leaves() {
    let scratch = Scratch::new("report_ring");
    scratch.file(
        "main.lua",
        "local skynet = require 'skynet'
         local queue = require 'skynet.queue'
         local peer, mode = nil, ...
         skynet.start(function()
           local one_by_one = queue()
           skynet.dispatch('lua', function(_, _, command, value)
             if command == 'peer' then
               peer = value
               return skynet.retpack()
             end
             one_by_one(function() skynet.retpack(skynet.call(peer, 'lua', 'go')) end)
           end)
           if mode then return end
           peer = skynet.newservice('main', 'other')
           skynet.call(peer, 'lua', 'peer', skynet.self())
           skynet.fork(skynet.call, skynet.self(), 'lua', 'go')
           skynet.timeout(120, function() print 'ready' end)
         end)",
    );
    let arguments = ["run", "--grace", "0s", "main.lua"];
    let log = reported_up_to(&scratch, &arguments, "waits to be woken at ");
    let ring = line(&log, &["waits in a ring", "lasted_ms=1", "others=0"]);
    let links = &log[log.find(ring).expect("the line") + ring.len()..];
    let links: Vec<&str> =
        links.lines().skip(1).take_while(|line| line.starts_with('\t')).collect();
    let has = |line: &str, parts: &[&str]| {
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} in {line:?} of\n{log}");
    };
    assert_eq!(links.len(), 4, "{log}");
    has(links[0], &["main:00000002 waits for main:00000002"]);
    has(links[1], &["main:00000002 serves go and waits for main:00000003 at ", "main.lua:11: in "]);
    has(links[2], &["main:00000003 serves go and waits for main:00000002 at ", "main.lua:11: in "]);
    has(links[3], &["main:00000002 serves go and waits to be woken at ", "main.lua:11: in "]);
}

#[test]
fn a_report_tells_once_of_callers_that_wait_for_the_same() {
    let scratch = Scratch::new("report_callers");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local slow = hive.spawn 'slow'
         for i = 1, 100 do hive.spawn('caller', slow) end
         hive.sleep(1.2)
         print 'ready'
         hive.sleep(600)",
    );
    scratch.file("slow.lua", "return { work = function() require('hive').sleep(60) end }");
    scratch.file(
        "caller.lua",
        "local hive, slow = require 'hive', ...
         hive.fork(function() hive.call(slow, 'work') end)
         return {}",
    );
    let arguments = ["run", "--grace", "0s", "main.lua"];
    let log = reported_up_to(&scratch, &arguments, "serves work and sleeps at ");
    line(&log, &["caller:", "waits for an answer lasted_ms=1", "others=99"]);
    line(&log, &["caller:", " waits for slow:00000003 at ./caller.lua:2: in "]);
    line(&log, &["slow:00000003 serves work and sleeps at ./slow.lua:1: in "]);
}

#[test]
fn a_report_tells_of_a_service_that_is_too_busy_to_say_what_it_waits_for() {
    let scratch = Scratch::new("report_silent");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local busy = hive.spawn 'busy'
         hive.fork(function() hive.call(busy, 'spin') end)
         hive.fork(function() hive.call(busy, 'spin') end)
         hive.sleep(1.2)
         print 'ready'
         hive.sleep(600)",
    );
    scratch.file(
        "busy.lua",
        "local hive = require 'hive'
         hive.fork(function() hive.sleep(60) end)
         return { spin = function() while true do end end }",
    );
    let arguments = ["run", "--threads", "2", "--turn-limit", "0s", "--grace", "0s", "main.lua"];
    let log = reported_up_to(&scratch, &arguments, "some did not say ");
    line(&log, &["some did not say what they wait for", "services=1"]);
    line(&log, &["waits for an answer", "others=1"]);
    line(&log, &["busy:00000003 may not have begun it: 1 messages wait"]);
}
