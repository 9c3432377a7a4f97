//! Keys that one writer alone stores and deletes in turn, and what he has said about it.
//!
//! Before each act he stores its number as the intent, afterwards as done. Odd numbers store, even
//! ones delete. So whoever reads first what is done, then the key, and last the intent, knows what
//! may be there, at any moment and after any death: a value that was deleted is never to be seen
//! again.

use moonhive_shm::{Dictionary, OwnedValue, SetOptions, Side, Value};

use crate::Random;
use crate::values::{opened, sealed};

/// Keys of each writer; the last of them are lists.
pub const KEYS: u64 = 8;
const LISTS: u64 = 2;

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// A key, and where is written what was done with it.
struct Ledger {
    key: String,
    is_list: bool,
}

impl Ledger {
    fn new(writer: u64, index: u64) -> Self {
        Self { key: format!("own{writer}.{index}"), is_list: index >= KEYS - LISTS }
    }

    fn intent(&self) -> String {
        format!("{} intent", self.key)
    }

    fn done(&self) -> String {
        format!("{} done", self.key)
    }

    fn store(&self, dictionary: &Dictionary, number: u64, length: usize) {
        let bytes = sealed(&self.key, number, length);
        let value = Value::Bytes(&bytes);
        if self.is_list {
            dictionary.push(&self.key, value, Side::Left, OPTIONS).expect("push");
        } else {
            dictionary.set(&self.key, value, OPTIONS).expect("set");
        }
    }

    /// Ends what is there, in one of several ways. Whoever was here before may have done it and
    /// died.
    fn end(&self, dictionary: &Dictionary, way: u64) {
        let version = dictionary.version(&self.key).expect("locks are free");
        match (way, version) {
            (_, None) => (),
            (0, Some(version)) => dictionary.remove(&self.key, version).expect("it is mine"),
            (1, Some(_)) => {
                dictionary.expire(&self.key, 1).expect("it is mine");
                while dictionary.version(&self.key).expect("locks are free").is_some() {
                    std::thread::yield_now();
                }
            }
            (2, Some(_)) if self.is_list => {
                while dictionary.pop(&self.key, Side::Right).expect("a list").is_some() {}
            }
            _ => assert!(dictionary.delete(&self.key).expect("delete"), "it was there"),
        }
    }

    /// The numbers of the values that are there.
    fn numbers(&self, dictionary: &Dictionary) -> Vec<u64> {
        let values = match self.is_list {
            true => dictionary.range(&self.key, 0, -1).expect("a list"),
            false => {
                let entry = dictionary.get(&self.key).expect("a plain value");
                entry.map(|entry| entry.value).into_iter().collect()
            }
        };
        let number = |value: &OwnedValue| match value {
            OwnedValue::Bytes(bytes) => opened(&self.key, bytes),
            other => panic!("{}: {other:?}", self.key),
        };
        values.iter().map(number).collect()
    }

    /// Fails if something deleted is there, or something stored is not.
    fn verify(&self, dictionary: &Dictionary) {
        let done = counter(dictionary, &self.done());
        let numbers = self.numbers(dictionary);
        let intent = counter(dictionary, &self.intent());
        let place = format!("{}: {done} is done, {intent} was begun, found {numbers:?}", self.key);
        assert!(intent >= done, "{place}");
        let oldest = if is_store(done) { done } else { done + 1 };
        for number in &numbers {
            assert!(is_store(*number) && (oldest..=intent).contains(number), "a ghost: {place}");
        }
        let may_be_absent = !is_store(done) || intent > done;
        assert!(may_be_absent || !numbers.is_empty(), "lost: {place}");
    }
}

fn is_store(number: u64) -> bool {
    number % 2 == 1
}

/// The number under a key; 0 without one.
pub fn counter(dictionary: &Dictionary, key: &str) -> u64 {
    match dictionary.get(key).expect("a plain value").map(|entry| entry.value) {
        Some(OwnedValue::Integer(value)) => value as u64,
        _ => 0,
    }
}

pub fn set_counter(dictionary: &Dictionary, key: &str, value: u64) {
    dictionary.set(key, Value::Integer(value as i64), OPTIONS).expect("set");
}

/// The next act with one of the keys of a writer.
pub fn act(dictionary: &Dictionary, writer: u64, random: &mut Random) {
    let ledger = Ledger::new(writer, random.below(KEYS));
    let next = counter(dictionary, &ledger.done()) + 1;
    set_counter(dictionary, &ledger.intent(), next);
    if is_store(next) {
        ledger.store(dictionary, next, random.below(3000) as usize);
    } else {
        ledger.end(dictionary, random.below(4));
    }
    set_counter(dictionary, &ledger.done(), next);
}

/// What a reader may believe of any of the keys of a writer.
pub fn read(dictionary: &Dictionary, writer: u64, random: &mut Random) {
    Ledger::new(writer, random.below(KEYS)).verify(dictionary);
}

/// All keys of a writer are as he has said.
pub fn verify(dictionary: &Dictionary, writer: u64) {
    (0..KEYS).for_each(|index| Ledger::new(writer, index).verify(dictionary));
}
