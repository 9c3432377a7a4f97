//! Loom models of reading without the lock while others write: the real code over a few cells.
//!
//! Every value is two equal words, so a mixture of two values is noticed; and it says whose it is.
//! Threads are preempted up to twice, which finds what fewer interleavings can show.
//!
//! The main thread writes, the others read. Loom remembers only the last access to a word: had a
//! reader gone first, the load with which each change of a word begins would hide his, and nothing
//! but the first order of events would be tried.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::core::{Core, Key, Parts};
use super::geometry::Geometry;
use super::hash::KeyHash;
use super::value::{Number, SetOptions, Stored, Value};
use super::write::Condition;
use crate::error::Result;
use crate::memory::Memory;
use crate::segment::HEADER_BYTES;
use crate::sync::Ordering;

const PREEMPTIONS: usize = 2;

fn plain() -> SetOptions {
    SetOptions::default().never_evict()
}

/// A dictionary in which so many cells are free.
struct Model(Parts);

impl Model {
    fn new(shards: u64, free_cells: u32) -> Self {
        let mut geometry = Geometry::with_offsets(0, shards, true, 64, u64::from(free_cells), 1);
        // With more than one shard the models are about cells that pass between them.
        geometry.spare_cells = if shards == 1 { 1 } else { 0 };
        let end = geometry.cell_at(free_cells);
        let memory = Memory::zeroed(HEADER_BYTES, end);
        let hash = KeyHash::new((1, 2));
        let model = Self(Parts::new(memory, geometry, hash, Duration::from_secs(1)));
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
        self.core().store(&key, Value::Bytes(&value), plain(), Condition::Always)
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

/// Runs a look beside what else goes on, and hands its answer over.
fn beside<T: 'static>(
    model: &Arc<Model>,
    look: impl FnOnce(&Model) -> T + 'static,
) -> thread::JoinHandle<T> {
    let model = model.clone();
    thread::spawn(move || look(&model))
}

#[test]
fn a_reader_of_an_overwritten_key_sees_the_old_or_the_new_value() {
    check(|| {
        let model = Arc::new(Model::new(1, 2));
        let key = model.key(0, 0);
        model.set(&key, 1);
        let reader = beside(&model, move |model| model.get(&key));
        model.set(&key, 2);
        let seen = reader.join().expect("the reader ends");
        assert!(matches!(seen, Some(1 | 2)), "{seen:?}");
        assert_eq!(model.get(&key), Some(2));
    });
}

#[test]
fn a_number_is_read_with_the_version_that_it_has() {
    check(|| {
        let model = Arc::new(Model::new(1, 1));
        let name = model.key(0, 0);
        let one = Number::Integer(1);
        let core = model.core();
        let first = core.store(&core.place(&name), one.into(), plain(), Condition::Always);
        let first = first.expect("there is room").version;
        let reader = beside(&model, move |model| {
            let (core, mut buffer) = (model.core(), Vec::new());
            let entry = core.read(&core.place(&name), false, &mut buffer).expect("locks work");
            let entry = entry.expect("it is there all the time");
            let raised = i64::from(entry.version != first);
            assert_eq!(entry.value, Value::Integer(1 + raised));
        });
        core.incr(&core.place(&name), one, None, plain()).expect("it is a number");
        reader.join().expect("the reader ends");
    });
}

#[test]
fn a_reader_never_takes_the_value_of_a_key_that_got_the_cell() {
    check(|| {
        let model = Arc::new(Model::new(1, 1));
        let (key, other) = (model.key(0, 0), model.key(0, 1));
        model.set(&key, 1);
        let reader = beside(&model, move |model| model.get(&key));
        model.delete(&key);
        model.set(&other, 2);
        let seen = reader.join().expect("the reader ends");
        assert!(matches!(seen, None | Some(1)), "{seen:?}");
        assert_eq!(model.get(&other), Some(2));
    });
}

#[test]
fn a_cell_may_pass_to_a_writer_of_another_shard_while_it_is_read() {
    check(|| {
        let model = Arc::new(Model::new(2, 1));
        let (key, other) = (model.key(0, 0), model.key(1, 0));
        model.set(&key, 1);
        // Before the cell is free there is no room for it.
        let writer = beside(&model, move |model| drop(model.try_set(&other, 2)));
        let reader = beside(&model, move |model| model.get(&key));
        model.delete(&key);
        let seen = reader.join().expect("the reader ends");
        assert!(matches!(seen, None | Some(1)), "{seen:?}");
        writer.join().expect("the writer ends");
    });
}

#[test]
fn a_cell_that_the_shard_keeps_may_pass_to_another_thread_while_it_is_read() {
    check(|| pass_on(Model::new(1, 1), (0, 1)));
}

#[test]
fn a_cell_that_was_given_back_may_pass_to_another_thread_while_it_is_read() {
    check(|| pass_on(Model::new(2, 1), (1, 0)));
}

/// One thread reads the first key of the first shard, one deletes it, and then one that has passed
/// no fence of its own before stores another: shard and number.
fn pass_on(model: Model, (shard, nth): (u32, usize)) {
    let model = Arc::new(model);
    let (key, other) = (model.key(0, 0), model.key(shard, nth));
    model.set(&key, 1);
    let reader = beside(&model, move |model| model.get(&key));
    model.delete(&key);
    let writer = beside(&model, move |model| drop(model.try_set(&other, 2)));
    let seen = reader.join().expect("the reader ends");
    assert!(matches!(seen, None | Some(1)), "{seen:?}");
    writer.join().expect("the writer ends");
}
