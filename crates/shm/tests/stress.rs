//! Reads without the lock beside writers who do all that memory allows: values carry their key and
//! a checksum.
//!
//! Threads of one process, as many as there are processors and more, none of which dies: so, other
//! than in the storm, every reader meets writers all the time. `SHM_READS=100000000 cargo test -p
//! moonhive-shm --release
//! --test stress -- --nocapture` is the long form.

mod random;
mod values;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use moonhive_shm::{Dictionary, Options, SetOptions, Side, Value};

use random::{Random, variable};
use values::{opened, sealed};

/// Reads of each reader in the short form.
const READS: u64 = 60_000;
const READERS: u64 = 3;
const WRITERS: u64 = 2;

/// Few keys, so that reader and writer meet; each has one writer.
const KEYS: u64 = 12;

/// From one cell to what is copied under the lock alone.
const LENGTHS_BYTES: [u64; 5] = [20, 80, 500, 1100, 5000];

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

fn key_of(index: u64) -> String {
    format!("key{index}")
}

/// Stores ever higher numbers under keys of its own, deletes and ends some, pushes and pops: cells
/// pass from hand to hand all the time.
fn write(dictionary: &Dictionary, writer: u64, stop: &AtomicBool) {
    let mut random = Random(writer + 1);
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = key_of(random.below(KEYS / WRITERS) * WRITERS + writer);
        let most = LENGTHS_BYTES[random.below(5) as usize];
        let bytes = sealed(&key, number, random.below(most) as usize);
        let list = format!("list{writer}");
        match random.below(16) {
            0 => _ = dictionary.delete(&key).expect("locks are free"),
            1 => drop(dictionary.expire(&key, 1)),
            2 => drop(dictionary.push(&list, Value::Bytes(&bytes), Side::Left, OPTIONS)),
            3 | 4 => drop(dictionary.pop(&list, Side::Right).expect("a list")),
            _ => drop(dictionary.set(&key, Value::Bytes(&bytes), OPTIONS).expect("it evicts")),
        }
    }
}

/// What a reader has seen last of a key: a version and a number, which only rise, and together.
#[derive(Clone, Copy, Default)]
struct Seen {
    version: u64,
    number: u64,
}

/// How many values were there.
fn read(dictionary: &Dictionary, seed: u64, reads: u64) -> u64 {
    let mut random = Random(seed);
    let mut seen = [Seen::default(); KEYS as usize];
    let (mut buffer, mut found) = (Vec::new(), 0);
    for _ in 0..reads {
        let index = random.below(KEYS);
        let key = key_of(index);
        let entry = dictionary.get_into(&key, &mut buffer).expect("a plain value");
        let Some(entry) = entry else { continue };
        let Value::Bytes(bytes) = entry.value else { panic!("{key}: {entry:?}") };
        let now = Seen { version: entry.version, number: opened(&key, bytes) };
        let before = seen[index as usize];
        assert!(now.number >= before.number, "{key}: {} after {}", now.number, before.number);
        let is_same = now.version == before.version;
        // An end gives an entry another version and leaves its number.
        assert!(now.version >= before.version, "{key}: an older version");
        assert!(!is_same || now.number == before.number, "{key}: two values of one version");
        seen[index as usize] = now;
        found += 1;
    }
    found
}

fn verify(options: &Options) {
    let reads = variable("SHM_READS", READS);
    let dictionary = Dictionary::create_unnamed("stress", options).expect("there is memory");
    let (stop, found) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (dictionary, stop, found) = (&dictionary, &stop, &found);
        for writer in 0..WRITERS {
            scope.spawn(move || write(dictionary, writer, stop));
        }
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let seed = reader + variable("SHM_SEED", 1) * 100;
                scope.spawn(move || {
                    found.fetch_add(read(dictionary, seed, reads), Ordering::Relaxed)
                })
            })
            .collect();
        let outcomes: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok), "a reader has failed");
    });
    let (found, statistics) = (found.into_inner(), dictionary.statistics());
    let (writes, refusals) = (statistics.writes, statistics.refusals);
    println!("{found} values read beside {writes} writes and {refusals} that found no room");
    assert!(refusals < writes / 10, "few are refused");
    assert!(found > reads / 4 && writes > reads / 100, "they have met");
    assert_eq!(dictionary.check(), Ok(Vec::new()));
}

#[test]
fn values_read_beside_writers_are_whole_their_own_and_never_older_than_before() {
    // Not enough for all keys at once: some are thrown out.
    verify(&Options::new(16 << 10));
}

#[test]
fn the_same_holds_where_cells_pass_between_shards() {
    verify(&Options { shards: Some(4), ..Options::new(16 << 10) });
}
