//! Hours of mixed sizes and ends: nothing of the memory is lost to pieces, and nothing is
//! forgotten.
//!
//! A dictionary goes through what a busy one does: values from nothing to many cells, that
//! overwrite each other, end, are thrown out, deleted, given back by a sweeper; lists; counters.
//! Then as many entries of each size must fit into it as into one that was just made, without a
//! flush, which would hide what was not given back.
//! `SHM_HOURS=1000 SHM_SEED=2 cargo test -p moonhive-shm --release --test churn` is the long form.

mod random;

use moonhive_shm::{Cursor, Dictionary, Error, Options, SetOptions, Side, Value};

use random::{Random, variable};

/// Hours in the short form.
const HOURS: u64 = 1;

/// Operations that stand for an hour, and how often time passes among them: a millisecond or more.
const OPERATIONS_PER_HOUR: u64 = 10_000;
const PAUSES_PER_HOUR: u64 = 20;

/// Bytes for each key: all together they take about twice the room that there is.
const BYTES_PER_KEY: u64 = 500;

const LISTS: u64 = 20;

/// Sizes of the values that are to fit.
const CLASSES_BYTES: [usize; 6] = [0, 40, 200, 1000, 6000, 40_000];

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

struct Churn {
    dictionary: Dictionary,
    random: Random,
    sweeper: Cursor,
    keys: u64,
}

impl Churn {
    fn new(options: &Options, seed: u64) -> Self {
        let keys = options.size_bytes / BYTES_PER_KEY;
        Self { dictionary: make(options), random: Random(seed), sweeper: Cursor::default(), keys }
    }

    fn value(&mut self) -> Vec<u8> {
        let most = match self.random.below(20) {
            0..4 => 8,
            4..9 => 64,
            9..14 => 600,
            14..19 => 6000,
            _ => 30_000,
        };
        vec![1; self.random.below(most) as usize]
    }

    /// Most entries end, some of them soon.
    fn options(&mut self) -> SetOptions {
        OPTIONS.ttl_ms([0, 3_600_000, 1 + self.random.below(3)][self.random.below(3) as usize])
    }

    /// Nothing happens until what ends soonest has ended.
    fn pause(&self) {
        let it = &self.dictionary;
        it.set("pause", 1.into(), OPTIONS.ttl_ms(1)).expect("it evicts");
        while it.version("pause").expect("locks are free").is_some() {
            std::thread::yield_now();
        }
    }

    fn act(&mut self) {
        let (value, options) = (self.value(), self.options());
        let key = format!("k{}", self.random.below(self.keys));
        let list = format!("l{}", self.random.below(LISTS));
        let it = &self.dictionary;
        match self.random.below(20) {
            0..8 => drop(it.set(&key, Value::Bytes(&value), options).expect("it evicts")),
            8 => refusable(it.set(&key, Value::Bytes(&value), options.never_evict()).map(drop)),
            9 => drop(it.get(&key).expect("a plain value")),
            10 => _ = it.delete(&key).expect("locks are free"),
            11 => drop(it.expire(&key, 1 + self.random.below(3))),
            12 => drop(it.incr(format!("n{key}"), 1.into(), Some(0.into()), options)),
            13..16 => {
                let value = Value::Bytes(&value[..value.len().min(600)]);
                it.push(&list, value, Side::Left, options).map(drop).expect("it evicts");
            }
            16 | 17 => drop(it.pop(&list, Side::Right).expect("a list")),
            18 => _ = it.delete(&list).expect("locks are free"),
            _ => {
                let swept = it.sweep(self.sweeper, 100).expect("locks are free");
                self.sweeper = swept.next.unwrap_or_default();
            }
        }
    }

    /// Ends everything by its key.
    fn delete_all(&self) {
        let plain = (0..self.keys).flat_map(|number| [format!("k{number}"), format!("nk{number}")]);
        let lists = (0..LISTS).map(|number| format!("l{number}"));
        for key in plain.chain(lists).chain(["pause".to_owned()]) {
            self.dictionary.delete(key).expect("locks are free");
        }
    }

    fn pass_hour(&mut self) {
        for _ in 0..PAUSES_PER_HOUR {
            (0..OPERATIONS_PER_HOUR / PAUSES_PER_HOUR).for_each(|_| self.act());
            self.pause();
        }
        let statistics = self.dictionary.statistics();
        assert!(statistics.evictions > 1000 && statistics.expiries > 100, "{statistics:?}");
        verify_whole(&self.dictionary);
    }
}

fn make(options: &Options) -> Dictionary {
    Dictionary::create_unnamed("churn", options).expect("there is memory")
}

fn verify_whole(dictionary: &Dictionary) {
    assert_eq!(dictionary.check(), Ok(Vec::new()));
}

#[track_caller]
fn refusable(outcome: Result<(), Error>) {
    assert!(matches!(outcome, Ok(()) | Err(Error::NoMemory { .. })), "{outcome:?}");
}

/// How many values of a size fit, none of which is thrown out; they are deleted again.
fn fitting(dictionary: &Dictionary, size_bytes: usize) -> u64 {
    let value = vec![2; size_bytes];
    let options = OPTIONS.never_evict();
    let is_full = |number: &u64| {
        dictionary.set(format!("fits{number}"), Value::Bytes(&value), options).is_err()
    };
    let count = (0..).find(is_full).expect("it is full some time");
    for number in 0..count {
        assert!(dictionary.delete(format!("fits{number}")).expect("locks are free"), "{number}");
    }
    count
}

/// How many of many values of a size stay where each may throw out others.
fn staying(dictionary: &Dictionary, size_bytes: usize) -> u64 {
    let value = vec![3; size_bytes];
    let many = dictionary.capacity_bytes() * 3 / (size_bytes as u64 + 64);
    let keys: Vec<String> = (0..many).map(|number| format!("stays{number}")).collect();
    for key in &keys {
        dictionary.set(key, Value::Bytes(&value), OPTIONS).expect("it evicts");
    }
    let count = keys.iter().filter(|key| dictionary.version(key).expect("locks").is_some()).count();
    for key in &keys {
        dictionary.delete(key).expect("locks are free");
    }
    count as u64
}

/// Lets hours pass, and compares with fresh ones.
fn verify_capacity(options: &Options) {
    let (hours, seed) = (variable("SHM_HOURS", HOURS), variable("SHM_SEED", 1));
    println!("seed {seed}, {hours} hours");
    let mut churn = Churn::new(options, seed);
    (0..hours).for_each(|_| churn.pass_hour());
    verify_in_use(&mut churn, options);
    churn.delete_all();
    verify_empty(&churn.dictionary, options);
}

/// In the middle of it all, while others are thrown out: a value in pieces takes a word more for
/// each, and that is all that is lost, however much time has passed.
fn verify_in_use(churn: &mut Churn, options: &Options) {
    for size_bytes in CLASSES_BYTES {
        churn.pass_hour();
        let stay = staying(&churn.dictionary, size_bytes);
        let expected = staying(&make(options), size_bytes);
        println!("{stay} of {expected} values of {size_bytes} bytes stay");
        let least = staying_in_pieces(options, expected);
        // Beside a few large values others may stay that were used longer ago, unless their order
        // is exact.
        let is_sure = options.shards.is_none() || expected > 100;
        assert!(stay >= least || !is_sure, "{stay} of {size_bytes} bytes, not {expected}");
    }
    verify_whole(&churn.dictionary);
}

/// How many values stay at least, of a size of which so many stay where none is in pieces.
fn staying_in_pieces(options: &Options, expected: u64) -> u64 {
    let cells = options.size_bytes / 64;
    match cells / expected {
        1 => expected,
        // At worst each cell is a piece, with seven words of eight. The last value may just not
        // fit.
        cells_each => cells / (cells_each * 8).div_ceil(7) - 1,
    }
}

/// Every key deleted: just as a fresh one.
fn verify_empty(dictionary: &Dictionary, options: &Options) {
    let statistics = dictionary.statistics();
    assert_eq!((statistics.entries, statistics.elements, statistics.used_bytes), (0, 0, 0));
    let fresh = make(options);
    for size_bytes in CLASSES_BYTES {
        let (fit, expected) = (fitting(dictionary, size_bytes), fitting(&fresh, size_bytes));
        println!("{fit} values of {size_bytes} bytes fit");
        assert_eq!(fit, expected, "of {size_bytes} bytes");
    }
    verify_whole(dictionary);
}

#[test]
fn an_exact_dictionary_holds_after_hours_what_a_fresh_one_holds() {
    verify_capacity(&Options::new(256 << 10));
}

#[test]
fn a_dictionary_of_several_shards_holds_after_hours_what_a_fresh_one_holds() {
    verify_capacity(&Options { shards: Some(8), ..Options::new(512 << 10) });
}
