//! A process that is stopped, not dead, while it holds a lock: the others wait for that shard alone, with
//! an end, and are told who it is.

use std::process::Child;
use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, Error, Options, SetOptions, Value};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Kept, Named, say_ready, start};

/// Attempts to stop the holder just while it has the lock.
const ATTEMPTS: u32 = 2000;

/// A large value under one key, again and again: the lock is held most of the time.
pub fn write_for_ever(dictionary: &Dictionary) {
    let value = vec![1; 400_000];
    say_ready();
    loop {
        dictionary.set("held", Value::Bytes(&value), SetOptions::default()).expect("set");
    }
}

fn signal(child: &Child, signal: Signal) {
    let process = Pid::from_raw(child.id() as i32).expect("not zero");
    kill_process(process, signal).expect("it is ours");
}

/// Stops the child while it holds the lock of its key's shard; the error that says so.
fn stop_with_lock(child: &Child, dictionary: &Dictionary) -> Error {
    for _ in 0..ATTEMPTS {
        signal(child, Signal::STOP);
        match dictionary.set("held", 1.into(), SetOptions::default()) {
            Err(error) => return error,
            Ok(_) => signal(child, Signal::CONT),
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    panic!("the holder was never met with the lock");
}

#[test]
fn a_stopped_owner_delays_its_shard_alone_and_is_named() {
    let named = Named::new("stopped", 8 << 20);
    let child = start("holder", &named.name, "");
    let hasty = Options { lock_timeout: Duration::from_millis(30), ..Options::default() };
    let dictionary = Dictionary::open(&named.name, &hasty).expect("it exists");
    let error = stop_with_lock(&child, &dictionary);
    let Error::LockTimeout { owner_pid, waited_ms, .. } = error else { panic!("{error:?}") };
    assert_eq!(owner_pid, child.id());
    assert!(waited_ms >= 30);
    let start = Instant::now();
    let others = (0..100).map(|number| format!("other{number}"));
    let done = others.filter(|key| dictionary.set(key, 1.into(), SetOptions::default()).is_ok());
    // Of 32 shards one is held.
    assert!(done.count() > 80, "the other shards go on");
    assert!(start.elapsed() < Duration::from_secs(5));
    end(child, &dictionary);
}

/// Lets the child go on, kills it, and finds everything whole.
fn end(mut child: Kept, dictionary: &Dictionary) {
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    dictionary.set("held", 2.into(), SetOptions::default()).expect("the lock is free again");
    let findings = dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{findings:?}");
}
