//! SIGTERM and SIGINT: a graceful end first, an immediate one at the second signal. SIGHUP: a
//! terminal was closed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Running, Scratch};

/// A service that says when it is up and then waits for ever.
const WAITER: &str = "print 'ready'\nrequire('hive').sleep(1000)\n";

fn started(scratch: &Scratch, arguments: &[&str]) -> Running {
    let mut running = Running::start(scratch.moonhive(arguments.iter().copied()));
    running.wait_for_line("ready");
    running
}

#[test]
fn a_signal_ends_the_host_with_code_0() {
    for signal in ["TERM", "INT"] {
        let scratch = Scratch::new(&format!("signal_{signal}"));
        scratch.file("main.lua", WAITER);
        let running = started(&scratch, &["run", "main.lua"]);
        running.signal(signal);
        running.wait().expect_code(0);
    }
}

#[test]
fn a_signal_ends_a_host_whose_service_computes_for_ever() {
    let scratch = Scratch::new("signal_busy");
    scratch.file("main.lua", "print 'ready'\nwhile true do end\n");
    let arguments = ["run", "--turn-limit", "0s", "--grace", "200ms", "main.lua"];
    let running = started(&scratch, &arguments);
    let began = Instant::now();
    running.signal("TERM");
    let ended = running.wait().expect_code(0);
    let default = moonhive::actor::limits::SHUTDOWN_GRACE;
    assert!(began.elapsed() < default, "the grace time is as said: {:?}", began.elapsed());
    assert!(ended.stderr.contains("is killed"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("left behind"), "{}", ended.stderr);
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let scratch = Scratch::new("signal_twice");
    // A read from a pipe that nobody writes to cannot be interrupted.
    scratch.file("main.lua", "print 'ready'\nio.popen('exec sleep 30'):read 'a'\n");
    let running = started(&scratch, &["run", "main.lua"]);
    let began = Instant::now();
    running.signal("TERM");
    // Long enough that the second one is meant.
    std::thread::sleep(Duration::from_millis(700));
    running.signal("INT");
    let code = running.wait().code;
    assert!(matches!(code, Some(130 | 143)), "ended with {code:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
}

#[test]
fn signals_at_the_same_moment_count_as_one() {
    let scratch = Scratch::new("signal_group");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
        return { __exit = function() hive.sleep(0.1) print 'left in order' end },
          print 'ready'",
    );
    let running = started(&scratch, &["run", "main.lua"]);
    running.signal("TERM");
    running.signal("INT");
    let ended = running.wait().expect_code(0);
    assert!(ended.stdout.contains("left in order"), "{}", ended.stdout);
}

#[test]
fn a_terminal_that_is_closed_ends_the_host_in_order() {
    let scratch = Scratch::new("signal_hangup");
    scratch.file(
        "main.lua",
        "return { __exit = function() print 'left in order' end }, print 'ready'",
    );
    let host = scratch.moonhive(["run", "main.lua"]);
    let mut command = Command::new("env");
    // Whoever runs the tests may have been started by nohup.
    command.arg("--default-signal=HUP").arg(host.get_program()).args(host.get_args());
    command.current_dir(scratch.path(""));
    let mut running = Running::start(command);
    running.wait_for_line("ready");
    // The shell sends one, and the system another.
    running.signal("HUP");
    running.signal("HUP");
    let ended = running.wait().expect_code(0);
    assert!(ended.stdout.contains("left in order"), "{}", ended.stdout);
}

#[test]
fn a_host_that_nohup_started_outlives_its_terminal() {
    let scratch = Scratch::new("signal_nohup");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         print 'ready'
         repeat hive.sleep(0.001) until io.open 'closed'
         hive.shutdown(7)",
    );
    let host = scratch.moonhive(["run", "main.lua"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(host.get_program());
    command.args(host.get_args()).current_dir(scratch.path(""));
    let mut running = Running::start(command);
    running.wait_for_line("ready");
    running.signal("HUP");
    scratch.file("closed", "");
    let ended = running.wait().expect_code(7);
    assert!(!ended.stderr.contains("signal received"), "{}", ended.stderr);
}
