//! A process that is stopped, not dead, while it holds a lock: the others wait for that shard
//! alone, with an end, and are told who it is; and when it goes on, so do they.
//!
//! `SHM_STOP_MS=5000 cargo test -p moonhive-shm --test crash stopped` is the long form.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, Error, Options, OwnedValue, SetOptions, Value};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Kept, Named, say_ready, start, variable};

/// How long the holder is stopped in the short form.
const STOP_MS: u64 = 400;

/// Attempts to stop the holder just while it has the lock.
const ATTEMPTS: u32 = 2000;

/// Waits that end while it is stopped.
const HASTY_WAITS: u32 = 4;

/// Longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Bytes of what the holder stores.
const HELD_BYTES: usize = 400_000;

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// A large value under one key, again and again: the lock is held most of the time.
pub fn write_for_ever(dictionary: &Dictionary) {
    let value = vec![1; HELD_BYTES];
    say_ready();
    loop {
        dictionary.set("held", Value::Bytes(&value), OPTIONS).expect("set");
    }
}

fn signal(child: &Child, signal: Signal) {
    let process = Pid::from_raw(child.id() as i32).expect("not zero");
    kill_process(process, signal).expect("it is ours");
}

/// The same dictionary for one who waits so long for a lock.
fn open(named: &Named, lock_timeout: Duration) -> Dictionary {
    let options = Options { lock_timeout, ..Options::default() };
    Dictionary::open(&named.name, &options).expect("it exists")
}

/// What an error says: the shard, the owner, how long was waited.
fn timeout_of(error: &Error) -> (u32, u32, u64) {
    match error {
        Error::LockTimeout { shard, owner_pid, waited_ms } => (*shard, *owner_pid, *waited_ms),
        other => panic!("{other:?}"),
    }
}

/// Stops the child while it holds the lock of its key's shard; which one that is.
fn stop_with_lock(child: &Child, named: &Named) -> u32 {
    let dictionary = open(named, Duration::from_millis(30));
    for _ in 0..ATTEMPTS {
        signal(child, Signal::STOP);
        match dictionary.set("held", 1.into(), OPTIONS) {
            Err(error) => return timeout_of(&error).0,
            Ok(_) => signal(child, Signal::CONT),
        }
        thread::sleep(Duration::from_micros(300));
    }
    panic!("the holder was never met with the lock");
}

/// Waits for the shard of the stopped one again and again: each wait ends in time, and says why.
fn wait_in_vain(named: &Named, owner: u32, shard: u32, wait: Duration) {
    let hasty = open(named, wait);
    for _ in 0..HASTY_WAITS {
        let start = Instant::now();
        let error = hasty.set("held", 1.into(), OPTIONS).expect_err("its owner is stopped");
        let (found_shard, found_owner, waited_ms) = timeout_of(&error);
        assert_eq!((found_shard, found_owner), (shard, owner));
        assert!(u128::from(waited_ms) >= wait.as_millis() && start.elapsed() >= wait);
        assert!(start.elapsed() < wait + WATCHDOG, "it took {:?}", start.elapsed());
        assert_eq!((error.code(), error.errno()), ("lock_timeout", libc::ETIMEDOUT));
        assert!(error.to_string().contains(&format!("process {owner}")), "{error}");
    }
}

/// Writes to all shards as long as the other is stopped; only one does not go on. How many writes
/// each part of the time has seen.
fn write_elsewhere(named: &Named, shard: u32, until: Instant) -> Vec<u64> {
    let hasty = open(named, Duration::from_millis(5));
    let part = until.saturating_duration_since(Instant::now()) / HASTY_WAITS;
    let mut parts = Vec::new();
    while Instant::now() < until {
        let end = Instant::now() + part;
        let (mut done, mut refused) = (0, 0);
        while Instant::now() < end {
            match hasty.incr(format!("other{}", done % 100), 1.into(), Some(0.into()), OPTIONS) {
                Ok(_) => refused = 0,
                Err(error) => {
                    assert_eq!(timeout_of(&error).0, shard, "another shard is locked");
                    refused += 1;
                    assert!(refused < 20, "one shard of 32 has so many keys in a row");
                }
            }
            done += 1;
        }
        parts.push(done);
    }
    parts
}

/// Waits for the stopped one, and gets the lock after him.
fn wait_patiently(named: &Named) -> Instant {
    let patient = open(named, WATCHDOG);
    patient.set("held", 1.into(), OPTIONS).expect("its owner goes on some time");
    Instant::now()
}

/// The holder is at work again.
fn wait_for_holder(dictionary: &Dictionary) {
    let is_his = || {
        let entry = dictionary.get("held").expect("locks are free");
        entry.is_some_and(|it| it.value == OwnedValue::Bytes(vec![1; HELD_BYTES]))
    };
    dictionary.set("held", 2.into(), OPTIONS).expect("locks are free");
    let deadline = Instant::now() + WATCHDOG;
    while !is_his() {
        assert!(Instant::now() < deadline, "the holder does not go on");
    }
}

#[test]
fn a_stopped_owner_delays_its_shard_alone_is_named_and_goes_on_with_all_others() {
    let stop = Duration::from_millis(variable("SHM_STOP_MS", STOP_MS));
    let named = Named::new("stopped", &Options::new(8 << 20));
    let child = start("holder", &named.name, "");
    let shard = stop_with_lock(&child, &named);
    let end_of_stop = Instant::now() + stop;
    let continued = thread::scope(|scope| {
        let patient = scope.spawn(|| wait_patiently(&named));
        let wait = stop / (HASTY_WAITS + 1);
        let (named, child) = (&named, &child);
        let in_vain = scope.spawn(move || wait_in_vain(named, child.id(), shard, wait));
        let elsewhere = scope.spawn(move || write_elsewhere(named, shard, end_of_stop));
        in_vain.join().expect("each wait ends");
        let parts = elsewhere.join().expect("only one shard is locked");
        println!("{parts:?} writes to other shards in each quarter of {stop:?}");
        assert!(parts.iter().all(|writes| *writes > 50), "the other shards go on: {parts:?}");
        assert!(!patient.is_finished(), "the lock is held for as long as its owner is stopped");
        let continued = Instant::now();
        signal(child, Signal::CONT);
        let had_at = patient.join().expect("he gets the lock in the end");
        assert!(had_at > continued);
        continued
    });
    println!("all went on {:?} later", continued.elapsed());
    let dictionary = open(&named, WATCHDOG);
    wait_for_holder(&dictionary);
    verify_whole(&dictionary);
    assert_eq!(dictionary.statistics().repairs, 0, "nobody has died");
    end(child, &dictionary);
}

fn verify_whole(dictionary: &Dictionary) {
    let findings = dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{findings:?}");
}

/// Kills the child, and finds everything whole.
fn end(mut child: Kept, dictionary: &Dictionary) {
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    dictionary.set("held", 2.into(), OPTIONS).expect("the lock is free again");
    verify_whole(dictionary);
}

#[test]
fn a_stopped_owner_that_is_killed_lets_the_others_go_on() {
    let named = Named::new("stopped-killed", &Options::new(8 << 20));
    let child = start("holder", &named.name, "");
    stop_with_lock(&child, &named);
    let dictionary = open(&named, WATCHDOG);
    end(child, &dictionary);
    assert_eq!(dictionary.statistics().repairs, 1, "what he has left was repaired");
}
