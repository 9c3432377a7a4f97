//! What the log tells an operator about services that need attention.

use crate::support::Scratch;

/// The line of a log that contains `text`.
#[track_caller]
fn line_with<'a>(log: &'a str, text: &str) -> &'a str {
    log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} in {log}"))
}

#[test]
fn a_restart_is_logged_with_the_child_its_number_and_the_reason() {
    let scratch = Scratch::new("log_restart");
    scratch.file("worker.lua", "return {}").file(
        "main.lua",
        "local hive = require 'hive'
         local supervisor = hive.supervise({ { 'worker', id = 'w1' } }, { max_restarts = 1 })
         local first = supervisor:find 'w1'
         hive.kill(first, 'by hand')
         local second
         repeat
           hive.sleep(0.001)
           second = supervisor:find 'w1'
         until second and second ~= first
         hive.kill(second, 'once more')
         hive.sleep(60)",
    );
    let ended = scratch.run(["run", "main.lua"]).expect_code(1);
    let line = line_with(&ended.stderr, "child w1 is started again (1 of 1 within 5 s)");
    assert!(line.contains(" WARN hive.supervisor:") && line.ends_with("it was killed: by hand"));
    let line = line_with(&ended.stderr, "supervisor gives up: more than 1 restarts within 5 s");
    assert!(line.contains("ERROR") && line.contains("w1: it was killed: once more"), "{line}");
    assert!(ended.stderr.contains("to which it is linked, has ended: supervisor gives up"));
}

#[test]
fn the_log_tells_of_a_service_that_failed_though_its_caller_says_nothing() {
    let scratch = Scratch::new("log_failed");
    scratch.file("failing.lua", "error 'no gold'").file(
        "main.lua",
        "local hive = require 'hive'
         pcall(hive.spawn, 'failing')
         hive.kill(hive.spawn { 'waiting' }, 'on purpose')",
    );
    scratch.file("waiting.lua", "return {}");
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let line = line_with(&ended.stderr, "ended: ");
    assert!(line.contains(" WARN failing:") && line.contains("failing.lua:1: no gold"), "{line}");
    assert!(!ended.stderr.contains("on purpose"), "{}", ended.stderr);
}

#[test]
fn a_log_in_json_tells_of_the_end_of_a_main_service_that_failed_and_nothing_else_does() {
    let scratch = Scratch::new("log_json_failure");
    scratch.file("main.lua", "error 'no gold'");
    let ended = scratch.run(["run", "--log", "json", "main.lua"]).expect_code(1);
    for line in ended.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(event["level"].is_string(), "{line}");
    }
    assert!(ended.stderr.contains("main.lua:1: no gold\\nstack traceback:"), "{}", ended.stderr);
    // Nobody has asked for the log.
    let silent = scratch.run(["run", "--log", "off,json", "main.lua"]).expect_code(1);
    assert!(silent.stderr.starts_with("error: main.lua:1: no gold\n"), "{}", silent.stderr);
}

#[test]
fn a_message_that_nobody_handles_is_logged_with_its_sender_even_after_his_end() {
    let scratch = Scratch::new("log_sender");
    scratch
        .file("peer.lua", "return {}")
        .file(
            "brief.lua",
            "local hive = require 'hive'
             hive.send((...), 'nothing')
             hive.exit()",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local peer = hive.spawn 'peer'
             pcall(hive.spawn, 'brief', peer)
             hive.send(peer, 'nothing either')
             pcall(hive.call, peer, 'and this is answered last')",
        );
    // With one worker the sender has ended before the message is read.
    let ended = scratch.run(["run", "--threads", "1", "main.lua"]).expect_code(0);
    for (method, sender) in [("`nothing`", "brief:"), ("`nothing either`", "main:")] {
        let line = line_with(&ended.stderr, method);
        assert!(line.contains("a message was not handled"), "{line}");
        assert!(line.contains(&format!("sender=\"{sender}")), "{line}");
    }
}

#[test]
fn the_lines_of_one_request_carry_its_id_through_all_services() {
    let scratch = Scratch::new("log_request");
    scratch
        .file(
            "deep.lua",
            "local hive = require 'hive'
             return {
               work = function() hive.log.info 'deep' error('no gold', 0) end,
               note = function() error('not noted', 0) end,
             }",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local deep = hive.spawn 'deep'
             local middle = hive.spawn 'middle'
             pcall(middle.work, middle, deep)
             hive.sleep(0.02)
             hive.log.info 'outside'",
        )
        .file(
            "middle.lua",
            "local hive = require 'hive'
             return { work = function(deep)
               hive.log.info 'middle'
               hive.send(deep, 'note')
               hive.send(deep, 'nothing')
               hive.fork(error, 'a fork')
               deep:work()
             end }",
        );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let id_of = |text: &str| {
        let line = line_with(&ended.stderr, text);
        let id = line.split("request=").nth(1).unwrap_or_else(|| panic!("no id in {line}"));
        id.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let id = id_of("middle:");
    for text in ["INFO deep:", "has no handler `nothing`"] {
        assert_eq!(id_of(text), id, "{text}");
    }
    for text in ["a handler failed: not noted", "a task failed"] {
        assert!(ended.stderr.contains(text), "no {text:?} in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches(&format!("request={id}")).count(), 5, "{}", ended.stderr);
    assert!(!line_with(&ended.stderr, "outside").contains("request="));
}

#[test]
fn an_error_of_a_timer_is_logged_with_its_traceback_and_request() {
    let scratch = Scratch::new("log_timer");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local function ring(what) error(what) end
         hive.after(0.001, ring, 'too early')",
    );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let line = line_with(&ended.stderr, "a task failed: main.lua:2: too early");
    assert!(line.contains("ERROR main:"), "{line}");
    assert!(ended.stderr.contains("stack traceback:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("in function 'ring'") || ended.stderr.contains("main.lua:2: in"));
}

#[test]
fn failures_of_a_repeated_timer_are_logged_at_each_doubling_and_the_timer_goes_on() {
    let scratch = Scratch::new("log_every");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local run, done = 0, {}
         local timer
         timer = hive.every(0.002, function()
           run = run + 1
           if run == 10 then
             timer:cancel()
             hive.wakeup(done)
           end
           error('run ' .. run .. '.', 0)
         end)
         hive.wait(done)",
    );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    // The last one ends the timer.
    for (run, times) in [
        (1, ""),
        (2, ", 2 times by now"),
        (4, ", 4 times by now"),
        (8, ", 8 times by now"),
        (10, ""),
    ] {
        let text = format!("a repeated timer failed{times}: run {run}.");
        let line = line_with(&ended.stderr, &text);
        assert!(line.contains("ERROR main:"), "{line}");
    }
    assert_eq!(ended.stderr.matches("a repeated timer failed").count(), 5, "{}", ended.stderr);
}

#[test]
fn a_flooded_service_is_named_at_each_doubling() {
    let scratch = Scratch::new("log_flood");
    scratch
        .file("slow.lua", "return { work = function() end }")
        .file("tiny.lua", "return { work = function() end }")
        .file(
            "main.lua",
            "local hive = require 'hive'
             local slow = hive.spawn 'slow'
             local tiny = hive.spawn { 'tiny', mailbox_limit = 10 }
             for i = 1, 5000 do hive.send(slow, 'work') end
             for i = 1, 110 do pcall(hive.send, tiny, 'work') end",
        );
    let ended = scratch.run(["run", "--threads", "1", "main.lua"]).expect_code(0);
    for depth in [1024, 2048, 4096] {
        let line = line_with(&ended.stderr, &format!(" messages={depth} "));
        assert!(line.contains(" WARN slow:") && line.contains("messages pile up"), "{line}");
        assert!(line.contains("sender=\"main:00000002\""), "{line}");
    }
    assert_eq!(ended.stderr.matches("messages pile up").count(), 3, "{}", ended.stderr);
    for lost in [1, 2, 4, 8, 16, 32, 64] {
        let line = line_with(&ended.stderr, &format!(" lost={lost}"));
        assert!(line.contains("WARN tiny:") && line.contains("senders are refused"), "{line}");
        assert!(line.contains("sender=\"main:00000002\""), "{line}");
    }
    assert_eq!(ended.stderr.matches("is full").count(), 7, "{}", ended.stderr);
}

#[test]
fn a_finalizer_of_a_killed_service_is_said_not_to_have_run() {
    let scratch = Scratch::new("log_killed");
    scratch
        .file(
            "victim.lua",
            "held = setmetatable({}, { __gc = function() print 'ran' end })
             return { ping = function() end }",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local victim = hive.spawn 'victim'
             victim:ping()
             hive.kill(victim)",
        );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let line = line_with(&ended.stderr, "error in __gc");
    assert!(line.ends_with("not run: the service was killed)"), "{line}");
    assert_eq!(ended.stdout, "");
}
