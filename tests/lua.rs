//! Runs the suites of `tests/lua` inside a host: each is a main service, and its end is the
//! verdict.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use moonhive::actor::Host;

/// A suite that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

fn run(suite: &str) {
    run_on(2, suite);
}

fn run_on(workers: usize, suite: &str) {
    let host = Host::builder()
        .threads(workers)
        .path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua"))
        .env("color", "green")
        .build()
        .expect("threads can be started");
    let handle = host.shutdown_handle();
    let (finished, waits) = channel::<()>();
    let watchdog = thread::spawn(move || {
        let timed_out =
            waits.recv_timeout(WATCHDOG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if timed_out {
            handle.shutdown(99);
        }
        timed_out
    });
    let finish = host.run(suite, ()).expect("the suite is there");
    drop(finished);
    assert!(!watchdog.join().unwrap(), "the suite {suite} hangs");
    if let Some(failure) = finish.failure {
        panic!("{}", failure.message);
    }
    assert_eq!(finish.code, 0);
}

#[test]
fn calls() {
    run("calls");
}

#[test]
fn deadlines() {
    run("deadlines");
}

#[test]
fn garbage() {
    run("garbage");
}

#[test]
fn memory() {
    run("memory");
}

#[test]
fn plan() {
    run("plan");
}

#[test]
fn tasks() {
    run("tasks");
}

#[test]
fn services() {
    run("services");
}

#[test]
fn share() {
    run("share");
}

#[test]
fn shared_basics() {
    run("shared_basics");
}

#[test]
fn shared_lists() {
    run("shared_lists");
}

#[test]
fn shared_more() {
    run("shared_more");
}

#[test]
fn shared_errands() {
    run_on(1, "shared_errands");
}

#[test]
fn shared_files() {
    run("shared_files");
}

#[test]
fn shared_options() {
    run("shared_options");
}

#[test]
fn shared_waiting() {
    run("shared_waiting");
}

#[test]
fn skynet_sharetable() {
    run("skynet/sharetable");
}

#[test]
fn modules() {
    run("modules");
}

#[test]
fn select() {
    run("select");
}

#[test]
fn links() {
    run("links");
}

#[test]
fn supervision() {
    run("supervision");
}

#[test]
fn queue() {
    run("queue");
}

#[test]
fn groups() {
    run("groups");
}

#[test]
fn unique() {
    run("unique");
}

#[test]
fn tracing() {
    run("tracing");
}

#[test]
fn skynet_calls() {
    run("skynet/calls");
}

#[test]
fn skynet_answering() {
    run("skynet/answering");
}

#[test]
fn skynet_kills() {
    run("skynet/kills");
}

#[test]
fn skynet_starts() {
    run("skynet/starts");
}

#[test]
fn skynet_deaths() {
    run("skynet/deaths");
}

#[test]
fn skynet_storm() {
    run("skynet/storm");
}

#[test]
fn skynet_messages() {
    run("skynet/messages");
}

#[test]
fn skynet_tasks() {
    run("skynet/tasks");
}

#[test]
fn skynet_requests() {
    run("skynet/requests");
}

#[test]
fn skynet_order() {
    run("skynet/order");
}

#[test]
fn skynet_ticks() {
    run("skynet/ticks");
}

#[test]
fn skynet_names() {
    run("skynet/names");
}

#[test]
fn skynet_own_names() {
    run("skynet/own_names");
}

#[test]
fn skynet_services() {
    run("skynet/services");
}

#[test]
#[cfg(feature = "skynet")]
fn libraries() {
    run("libraries");
}

#[test]
fn mailboxes() {
    run("mailboxes");
}

#[test]
fn skynet_sharedata() {
    run("skynet/sharedata");
}

#[test]
fn skynet_datacenter() {
    run("skynet/datacenter");
}

#[test]
fn skynet_multicast() {
    run("skynet/multicast");
}

#[test]
fn skynet_stm() {
    run("skynet/stm");
}

#[test]
#[cfg(feature = "skynet")]
fn skynet_records() {
    run("skynet/records");
}

#[test]
fn skynet_snax() {
    run("skynet/snax");
}

#[test]
fn skynet_modules() {
    run("skynet/modules");
}

#[test]
fn skynet_failures() {
    run("skynet/failures");
}

#[test]
fn skynet_takeover() {
    run("skynet/takeover");
}

#[test]
fn skynet_launcher() {
    run("skynet/launcher");
}

#[test]
fn skynet_ends() {
    run("skynet/ends");
}

#[test]
fn compat_ngx() {
    run("compat_ngx");
}
