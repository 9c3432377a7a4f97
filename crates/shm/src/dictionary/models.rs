//! Loom models of reading without the lock while others write: the real code over a few cells.
//!
//! Every value is two equal words, so a mixture of two values is noticed; and it says whose it is.
//! Threads are preempted up to twice, which finds what fewer interleavings can show.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;
use siphasher::sip::SipHasher13;

use super::core::{Core, Key, Parts};
use super::geometry::Geometry;
use super::value::{SetOptions, Stored, Value};
use super::write::Condition;
use crate::error::Result;
use crate::memory::Memory;
use crate::segment::HEADER_BYTES;
use crate::sync::Ordering;

const PREEMPTIONS: usize = 2;

/// A dictionary in which so many cells are free.
struct Model(Parts);

impl Model {
    fn new(shards: u64, free_cells: u32) -> Self {
        let geometry = Geometry::with_offsets(0, shards, true, 64, u64::from(free_cells), 1);
        let end = geometry.cell_at(free_cells);
        let memory = Memory::zeroed(HEADER_BYTES, end);
        let hasher = SipHasher13::new_with_keys(1, 2);
        let model = Self(Parts { memory, geometry, hasher, lock_timeout: Duration::from_secs(1) });
        model.core().initialise();
        for cell in free_cells..64 {
            let word = model.0.memory.word(geometry.owners_at + cell as usize / 8 * 8);
            word.fetch_or(0x7f << (cell % 8 * 8), Ordering::Relaxed);
        }
        model
    }

    fn core(&self) -> Core<'_> {
        Core(&self.0)
    }

    /// A key of one byte that belongs to a shard; the first of them or the second.
    fn key(&self, shard: u32, nth: usize) -> [u8; 1] {
        let is_there = |byte: &u8| self.core().place(&[*byte]).shard == shard;
        [(0..=255).filter(is_there).nth(nth).expect("hashes spread")]
    }

    fn set(&self, key: &[u8], owner: u8) {
        self.try_set(key, owner).expect("there is room");
    }

    fn try_set(&self, key: &[u8], owner: u8) -> Result<Stored> {
        let key = self.core().place(key);
        let value = [owner; 16];
        let options = SetOptions::default().never_evict();
        self.core().store(&key, Value::Bytes(&value), options, Condition::Always)
    }

    fn delete(&self, key: &[u8]) {
        assert!(self.core().delete(&self.core().place(key)).expect("locks work"));
    }

    /// Reads a key without the lock, and says whose value it has found.
    fn get(&self, key: &[u8]) -> Option<u8> {
        let mut buffer = Vec::new();
        let key: Key<'_> = self.core().place(key);
        let entry = self.core().read(&key, false, &mut buffer).expect("locks work")?;
        let Value::Bytes(bytes) = entry.value else { panic!("{entry:?}") };
        assert_eq!(bytes, [bytes[0]; 16], "a mixture");
        Some(bytes[0])
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 20_000;
    builder.check(model);
}

#[test]
fn a_reader_of_an_overwritten_key_sees_the_old_or_the_new_value() {
    check(|| {
        let model = Arc::new(Model::new(1, 2));
        let key = model.key(0, 0);
        model.set(&key, 1);
        let writer = {
            let model = model.clone();
            thread::spawn(move || model.set(&key, 2))
        };
        let seen = model.get(&key);
        assert!(matches!(seen, Some(1 | 2)), "{seen:?}");
        writer.join().expect("the writer ends");
        assert_eq!(model.get(&key), Some(2));
    });
}

#[test]
fn a_reader_never_takes_the_value_of_a_key_that_got_the_cell() {
    check(|| {
        let model = Arc::new(Model::new(1, 1));
        let (key, other) = (model.key(0, 0), model.key(0, 1));
        model.set(&key, 1);
        let writer = {
            let model = model.clone();
            thread::spawn(move || {
                model.delete(&key);
                model.set(&other, 2);
            })
        };
        let seen = model.get(&key);
        assert!(matches!(seen, None | Some(1)), "{seen:?}");
        writer.join().expect("the writer ends");
        assert_eq!(model.get(&other), Some(2));
    });
}

#[test]
fn a_cell_may_pass_to_a_writer_of_another_shard_while_it_is_read() {
    check(|| {
        let model = Arc::new(Model::new(2, 1));
        let (key, other) = (model.key(0, 0), model.key(1, 0));
        model.set(&key, 1);
        let deleter = {
            let model = model.clone();
            thread::spawn(move || model.delete(&key))
        };
        let writer = {
            let model = model.clone();
            // Before the cell is free there is no room for it.
            thread::spawn(move || drop(model.try_set(&other, 2)))
        };
        let seen = model.get(&key);
        assert!(matches!(seen, None | Some(1)), "{seen:?}");
        deleter.join().expect("the deleter ends");
        writer.join().expect("the writer ends");
    });
}
