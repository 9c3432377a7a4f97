//! Many services on one dictionary under a mixed load, while another process looks for faults in it
//! (`tests/lua/shared_load`).
//!
//! `SHM_SERVICES=1000 SHM_SECONDS=600 SHM_SEED=1 cargo test --release --test it services_share --
//! --nocapture` is the long form.

use std::thread;
use std::time::Duration;

use crate::shm::Named;
use crate::support::{Running, Scratch, WATCHDOG};

/// The short form.
const SERVICES: u64 = 100;
const SECONDS: u64 = 3;

/// Checks from outside, spread over the time of the load.
const CHECKS: u64 = 4;

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn services_share_a_dictionary_and_none_is_ever_wrong() {
    let (services, seconds) =
        (variable("SHM_SERVICES", SERVICES), variable("SHM_SECONDS", SECONDS));
    let seed = variable("SHM_SEED", 1);
    println!("seed {seed}");
    let (scratch, name) = (Scratch::new("shm_load"), Named::new("mixed"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua");
    let [seconds_text, services, seed] = [seconds, services, seed].map(|number| number.to_string());
    let host = ["run", "--threads", "2", "--path", path, "shared_load.main", name.as_str()];
    let numbers = [seconds_text.as_str(), &services, &seed];
    let mut running = Running::start(scratch.moonhive(host.into_iter().chain(numbers)));
    running.wait_for_line("running");
    for _ in 0..CHECKS {
        thread::sleep(Duration::from_secs(seconds) / (CHECKS as u32 + 1));
        verify_healthy(&scratch, &name);
    }
    let ended = running.wait_at_most(Duration::from_secs(seconds) + WATCHDOG).expect_code(0);
    println!("{}", ended.stdout);
    verify_healthy(&scratch, &name);
}

fn verify_healthy(scratch: &Scratch, name: &Named) {
    let found = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert!(found.ends_with("entries: healthy\n"), "{found}");
}
