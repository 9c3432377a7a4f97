//! The host through its Rust API: spawning, calling, failing, ending.

use std::time::{Duration, Instant};

use moonhive::actor::{Code, Host, HostError, HostStats, Spawn, WhenFull};
use moonhive::vm::{Native, NativeResult, Outcome, Stack};

/// A wait that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(30);

fn host() -> Host {
    Host::builder().threads(2).build().expect("two threads can be started")
}

#[test]
fn a_service_answers_calls() {
    let host = host();
    let text = "local n = ...; return { add = function(by) n = n + by; return n end }";
    let counter = host.spawn(Spawn::text("counter", text), (10,)).unwrap();
    assert_eq!(host.call::<i64>(counter, "add", (2,)).unwrap(), 12);
    assert_eq!(host.call::<i64>(counter, "add", (5,)).unwrap(), 17);
    assert_eq!(host.shutdown().code, 0);
}

#[test]
fn a_service_calls_another() {
    let host = host();
    let text = r#"
        local hive = require "hive"
        return {
          ask = function(other, n)
            local answer = other:double(n)
            hive.sleep(0.01)
            return answer + 1
          end,
          double = function(n) return 2 * n end,
          me = function() return hive.self() end,
        }"#;
    let one = host.spawn(Spawn::text("one", text), ()).unwrap();
    let test = r#"
        local hive = require "hive"
        hive.register "two"
        return { run = function() return hive.call("two", "ping"), tostring(hive.self()) end, ping = function() return "pong" end }"#;
    let two = host.spawn(Spawn::text("two", test), ()).unwrap();
    let (pong, label): (String, String) = host.call(two, "run", ()).unwrap();
    assert_eq!(pong, "pong");
    assert!(label.starts_with("two:"), "{label}");
    assert_eq!(host.call::<i64>(one, "double", (4,)).unwrap(), 8);
}

#[test]
fn an_error_arrives_with_its_traceback() {
    let host = host();
    let text = "return { fail = function() error 'boom' end }";
    let service = host.spawn(Spawn::text("failing", text), ()).unwrap();
    let error = host.call::<()>(service, "fail", ()).unwrap_err();
    let fault = error.fault().expect("a fault");
    assert_eq!(fault.code, Code::Error);
    assert!(fault.message.ends_with("boom"), "{fault}");
    assert!(fault.traceback.contains("traceback"), "{}", fault.traceback);
    let error = host.call::<()>(service, "nothing", ()).unwrap_err();
    assert_eq!(error.fault().map(|fault| fault.code.clone()), Some(Code::NoHandler));
    assert!(matches!(error, HostError::Fault(_)));
}

#[test]
fn a_busy_service_does_not_starve_others_on_its_worker() {
    let host = Host::builder().threads(1).build().unwrap();
    let busy = "local hive = require 'hive'
        hive.fork(function() while true do hive.sleep(0) end end)
        hive.fork(function() while true do hive.sleep(0) end end)
        return {}";
    host.spawn(Spawn::text("busy", busy), ()).unwrap();
    let other = "return { answer = function() return 42 end }";
    let other = host.spawn(Spawn::text("other", other), ()).unwrap();
    for _ in 0..100 {
        assert_eq!(host.call::<i64>(other, "answer", ()).unwrap(), 42);
    }
}

/// A service that is busy until somebody is called `go`, and counts what it gets.
const SLOW_COUNTER: &str = "
    local hive = require 'hive'
    local count = 0
    return {
      stall = function()
        hive.register 'stalled'
        while not hive.find 'go' do end
      end,
      count = function() count = count + 1 end,
      total = function() return count end,
    }";

/// Sends more messages than fit while the receiver is busy; returns the errors and what arrived.
fn flood(policy: WhenFull) -> (Vec<Code>, i64) {
    let host = Host::builder().threads(2).mailbox_limit(10, 1 << 20).when_full(policy);
    let host = host.build().unwrap();
    let counter = host.spawn(Spawn::text("counter", SLOW_COUNTER), ()).unwrap();
    host.send(counter, "stall", ()).unwrap();
    while host.find("stalled").is_none() {
        std::thread::yield_now();
    }
    let sent = (0..50).map(|_| host.send(counter, "count", ()));
    let failed = |sent: Result<(), HostError>| sent.err()?.fault().map(|fault| fault.code.clone());
    let errors = sent.filter_map(failed).collect();
    host.spawn(Spawn::text("go", "return {}").register("go"), ()).unwrap();
    while host.stats().waiting_messages > 0 {
        std::thread::yield_now();
    }
    (errors, host.call(counter, "total", ()).unwrap())
}

#[test]
fn a_full_mailbox_refuses_the_sender_by_default() {
    let (errors, total) = flood(WhenFull::Refuse);
    assert_eq!(total, 10);
    assert_eq!(errors, vec![Code::Overload; 40]);
}

#[test]
fn a_full_mailbox_may_drop_the_oldest_messages() {
    let (errors, total) = flood(WhenFull::DropOldest);
    assert_eq!((errors.len(), total), (0, 10));
}

#[test]
fn a_full_mailbox_may_grow_with_a_warning() {
    let (errors, total) = flood(WhenFull::Warn);
    assert_eq!((errors.len(), total), (0, 50));
}

#[test]
fn a_call_from_rust_can_have_a_deadline() {
    let host = host();
    let text = "local hive = require 'hive'
        local other = ...
        return {
          sleep = function(seconds) hive.sleep(seconds) end,
          relay = function(seconds) other:sleep(seconds) end,
          code = function(seconds)
            local _, err = pcall(other.sleep, other, seconds)
            return err.code
          end,
        }";
    let one = host.spawn(Spawn::text("one", text), ()).unwrap();
    let soon = Some(Duration::from_millis(20));
    let error = host.call_within::<()>(one, "sleep", (60,), soon).unwrap_err();
    assert_eq!(error.fault().map(|fault| fault.code.clone()), Some(Code::Timeout));
    assert_eq!(
        host.call_within::<()>(one, "sleep", (0,), Some(Duration::from_secs(60))).ok(),
        Some(())
    );
}

#[test]
fn a_killed_service_is_gone() {
    let host = host();
    let service = host.spawn(Spawn::text("victim", "return {}").register("victim"), ()).unwrap();
    assert_eq!(host.find("victim"), Some(service));
    assert!(host.kill(service, "by the test"));
    let error = host.call::<()>(service, "anything", ()).unwrap_err();
    let fault = error.fault().expect("a fault");
    assert_eq!(fault.code, Code::Dead);
    assert!(fault.message.contains("killed: by the test"), "{fault}");
    assert!(!host.kill(service, "again"));
    assert_eq!(host.find("victim"), None);
}

#[test]
fn arguments_and_answers_of_the_wrong_type_are_reported() {
    let host = host();
    let text = "return { text = function() return 'text' end }";
    let service = host.spawn(Spawn::text("typed", text), ()).unwrap();
    let error = host.call::<i64>(service, "text", ()).unwrap_err();
    assert!(matches!(error, HostError::Answer(_)), "{error}");
    let error = host.call::<()>(service, "text", (u64::MAX,)).unwrap_err();
    assert!(matches!(error, HostError::Arguments(_)), "{error}");
}

#[test]
fn the_figures_add_up() {
    let host = host();
    let service = host.spawn(Spawn::text("one", "return { f = function() end }"), ()).unwrap();
    for _ in 0..10 {
        host.call::<()>(service, "f", ()).unwrap();
    }
    // A turn counts its messages when it ends, which is after the answer.
    while host.stats().messages < 10 {
        std::thread::yield_now();
    }
    let stats = host.stats();
    assert_eq!((stats.services, stats.spawned), (1, 1));
    assert!(stats.memory_bytes > 5_000 && stats.memory_per_service_bytes == stats.memory_bytes);
    host.kill(service, "");
    // What it used is added to the sums just after nobody finds it any more.
    let began = Instant::now();
    let is_counted = |stats: &HostStats| {
        stats.services == 0 && stats.messages >= 10 && stats.memory_per_service_bytes > 5_000
    };
    while !is_counted(&host.stats()) {
        assert!(began.elapsed() < WATCHDOG, "{:?}", host.stats());
        std::thread::yield_now();
    }
}

#[test]
fn a_program_can_add_modules_of_its_own() {
    fn open(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_table(0, 1);
        stack.push_integer(42);
        stack.raw_set_field(-2, "answer");
        Ok(Outcome::Return(1))
    }
    let host = Host::builder().module("deep.thought", Native::new(open)).build().unwrap();
    let text = "local answer = require('deep.thought').answer
        return { answer = function() return answer end }";
    let service = host.spawn(Spawn::text("thinker", text), ()).unwrap();
    assert_eq!(host.call::<i64>(service, "answer", ()).unwrap(), 42);
}
