//! Random kills, errors, timeouts and reloads among 1,000 services, by a seeded plan: every call is
//! accounted for exactly once, nothing hangs, nothing is left (`tests/lua/chaos`).
//!
//! `MOONHIVE_SEED` chooses another plan; the full length runs with `cargo test --release --test
//! chaos
//! -- --ignored --nocapture`, or by `moonhive run --path tests/lua chaos.main 600 1000 SEED`.

use std::time::Duration;

use moonhive::actor::Host;

/// A plan that is run when no other is asked for.
const SEED: u64 = 20_261_122;
const SERVICES: u64 = 1_000;

fn seed() -> u64 {
    std::env::var("MOONHIVE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED)
}

fn run(seconds: u64, services: u64) {
    let seed = seed();
    println!("MOONHIVE_SEED={seed}");
    let host = Host::builder()
        .threads(2)
        .turn_limit(Some(Duration::from_millis(200)))
        .path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua"))
        .build()
        .expect("threads can be started");
    let handle = host.shutdown_handle();
    // Dropped with the run; the host that hangs is ended by it.
    let (finished, waits) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let limit = Duration::from_secs(seconds + 120);
        let hangs = waits.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if hangs {
            handle.shutdown(99);
        }
        hangs
    });
    let finish = host.run("chaos.main", (seconds, services, seed)).expect("the program is there");
    drop(finished);
    assert!(!watchdog.join().unwrap(), "seed {seed}: the run hangs");
    if let Some(failure) = finish.failure {
        panic!("seed {seed}: {}", failure.report());
    }
    assert_eq!(finish.code, 0, "seed {seed}");
}

#[test]
fn every_call_ends_exactly_once_whatever_happens_to_the_services() {
    run(4, SERVICES);
}

#[test]
#[ignore = "ten minutes"]
fn every_call_ends_exactly_once_for_ten_minutes() {
    run(600, SERVICES);
}
