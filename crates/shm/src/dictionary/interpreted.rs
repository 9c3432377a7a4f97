//! The real code over memory of the heap, for Miri: what reads without the lock while others write
//! does nothing that the language forbids, and never yields a mixture.
//!
//! Records of one cell only: where a cell becomes the middle of a longer record, a late reader of
//! its header and the writer of its words access one place with two widths. What comes of it is
//! never used (the sequence has changed), but the memory model has no words for it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::core::{Core, Parts};
use super::geometry::Geometry;
use super::hash::KeyHash;
use super::value::{Number, SetOptions, Side, Value};
use super::write::Condition;
use crate::memory::Memory;

const ROUNDS: u64 = 40;
const KEYS: [&[u8]; 3] = [b"one", b"two", b"three"];

fn parts() -> Arc<Parts> {
    let geometry = Geometry::plan(4096, Some(2)).expect("a size");
    let memory = Memory::zeroed(geometry.total_bytes);
    let (hash, lock_timeout) = (KeyHash::new((1, 2)), Duration::from_secs(1));
    let parts = Arc::new(Parts::new(memory, geometry, hash, lock_timeout));
    Core(&parts).initialise();
    parts
}

/// Sixteen bytes that belong together.
fn value(round: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&round.to_le_bytes());
    bytes[8..].copy_from_slice(&(!round).to_le_bytes());
    bytes
}

fn write(core: Core<'_>) {
    let plain = SetOptions::default();
    for round in 0..ROUNDS {
        let key = core.place(KEYS[round as usize % KEYS.len()]);
        core.store(&key, Value::Bytes(&value(round)), plain, Condition::Always).expect("room");
        core.incr(&core.place(b"count"), Number::Integer(1), Some(Number::Integer(0)), plain)
            .expect("a number");
        if round % 3 == 0 {
            core.delete(&core.place(KEYS[(round / 3) as usize % KEYS.len()])).expect("a lock");
        }
    }
}

fn queue(core: Core<'_>) {
    let (key, mut buffer) = (core.place(b"queue"), Vec::new());
    for round in 0..ROUNDS {
        core.push(&key, Value::Bytes(&value(round)), Side::Left, SetOptions::default())
            .expect("room");
        if round % 4 != 0 {
            core.pop(&key, Side::Right, &mut buffer).expect("a list");
        }
    }
}

fn read(core: Core<'_>) {
    let mut buffer = Vec::new();
    for round in 0..ROUNDS as usize {
        let key = core.place(KEYS[round % KEYS.len()]);
        let found = core.read(&key, false, &mut buffer).expect("a lock");
        if let Some(Value::Bytes(bytes)) = found.map(|entry| entry.value) {
            let number = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            assert_eq!(bytes, value(number), "a mixture");
        }
    }
}

#[test]
fn readers_and_writers_break_no_rule_of_the_language() {
    let parts = parts();
    let works: [fn(Core<'_>); 4] = [write, queue, read, read];
    let threads = works.map(|work| {
        let parts = parts.clone();
        thread::spawn(move || work(Core(&parts)))
    });
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
    let core = Core(&parts);
    for shard in 0..2 {
        assert_eq!(core.check_shard(shard), Ok(Vec::new()));
    }
}
