//! Many random deaths among writers and readers.
//!
//! What a writer has done is known from the dictionary itself: he stores `data` before `ack`, so a
//! survivor who reads `ack` first must find `data` at least as new. Values repeat their number, so a
//! mixture of two is noticed. A reader who finds one ends himself with a failure.

use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, OwnedValue, SetOptions, Side, Value};

use crate::{Kept, Named, Random, say_ready, start, variable};

const WRITERS: u64 = 2;
const READERS: u64 = 2;

/// Kills in the short form.
const KILLS: u64 = 120;

/// Keys that all writers overwrite, so that deaths meet in one shard.
const SHARED_KEYS: u64 = 64;

/// Longest list: without it the lists grow as a random walk does, until acknowledged entries have to go.
const LIST_LENGTH_MOST: u64 = 40;

/// Bytes that all repeat one number.
fn pattern(number: u64, length: usize) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(length.max(8) / 8 * 8).collect()
}

/// The number that bytes repeat; fails if they are a mixture.
fn number_in(bytes: &[u8]) -> u64 {
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        .collect();
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "a mixture: {words:x?}");
    words[0]
}

pub fn write_for_ever(dictionary: &Dictionary, number: &str) {
    let number: u64 = number.parse().expect("a number");
    let mut random = Random(number ^ u64::from(std::process::id()) << 20);
    let (data, ack) = (format!("data{number}"), format!("ack{number}"));
    let mut done = counter(dictionary, &ack);
    say_ready();
    loop {
        done += 1;
        let length = [8, 16, 200, 5000][random.below(4) as usize];
        let options = SetOptions::default();
        dictionary.set(&data, Value::Bytes(&pattern(done, length)), options).expect("set");
        dictionary.set(&ack, Value::Integer(done as i64), options).expect("set");
        disturb(dictionary, &mut random);
    }
}

/// One more operation of some kind on keys that everybody uses.
fn disturb(dictionary: &Dictionary, random: &mut Random) {
    let options = SetOptions::default();
    let key = format!("shared{}", random.below(SHARED_KEYS));
    let list = format!("list{}", random.below(4));
    let length = random.below(3000) as usize;
    match random.below(8) {
        0 => drop(dictionary.delete(&key).expect("delete")),
        1 if dictionary.length(&list).expect("a list") < LIST_LENGTH_MOST => {
            let value = pattern(7, length);
            dictionary.push(&list, Value::Bytes(&value), Side::Left, options).expect("push");
        }
        1 | 2 => drop(dictionary.pop(&list, Side::Right).expect("pop")),
        3 => drop(dictionary.expire(&key, 1 + random.below(5))),
        4 => drop(dictionary.incr("count", 1.into(), Some(0.into()), options).expect("incr")),
        _ => {
            let value = pattern(random.below(1000), length);
            dictionary.set(&key, Value::Bytes(&value), options).expect("set");
        }
    }
}

pub fn read_for_ever(dictionary: &Dictionary) {
    let mut random = Random(u64::from(std::process::id()));
    let mut buffer = Vec::new();
    say_ready();
    loop {
        let key = match random.below(4) {
            0 => format!("data{}", random.below(WRITERS)),
            _ => format!("shared{}", random.below(SHARED_KEYS)),
        };
        let entry = dictionary.get_into(&key, &mut buffer).expect("a plain value");
        if let Some(Value::Bytes(bytes)) = entry.map(|entry| entry.value) {
            number_in(bytes);
        }
    }
}

fn counter(dictionary: &Dictionary, key: &str) -> u64 {
    match dictionary.get(key).expect("a plain value").map(|entry| entry.value) {
        Some(OwnedValue::Integer(value)) => value as u64,
        _ => 0,
    }
}

/// Nothing that a writer had acknowledged is missing.
fn verify_acknowledged(dictionary: &Dictionary) {
    for writer in 0..WRITERS {
        let ack = counter(dictionary, &format!("ack{writer}"));
        let data = dictionary.get(format!("data{writer}")).expect("a plain value");
        let data = match data.map(|entry| entry.value) {
            Some(OwnedValue::Bytes(bytes)) => number_in(&bytes),
            _ => 0,
        };
        let evictions = dictionary.statistics().evictions;
        assert_eq!(evictions, 0, "the dictionary is large enough");
        assert!(data >= ack, "writer {writer} acknowledged {ack}, found {data}");
    }
}

fn start_one(named: &Named, index: u64) -> Kept {
    match index {
        0..WRITERS => start("writer", &named.name, &index.to_string()),
        _ => start("reader", &named.name, ""),
    }
}

#[test]
fn a_storm_of_kills_harms_no_survivor() {
    let (kills, seed) = (variable("SHM_KILLS", KILLS), variable("SHM_SEED", 1));
    println!("seed {seed}, {kills} kills");
    let named = Named::new("storm", 2 << 20);
    let mut random = Random(seed);
    let mut children: Vec<Kept> =
        (0..WRITERS + READERS).map(|index| start_one(&named, index)).collect();
    let mut check_times = Vec::new();
    for kill in 0..kills {
        std::thread::sleep(Duration::from_micros(random.below(1500)));
        let index = random.below(WRITERS + READERS) as usize;
        for child in &mut children {
            let ended = child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "seed {seed}, kill {kill}: a survivor failed: {ended:?}");
        }
        children[index].kill().expect("it is ours");
        children[index].wait().expect("it is ours");
        verify_acknowledged(&named.dictionary);
        if kill % 16 == 0 {
            let start = Instant::now();
            let findings = named.dictionary.check().expect("locks are free");
            check_times.push(start.elapsed());
            assert!(findings.is_empty(), "seed {seed}, kill {kill}: {findings:?}");
        }
        children[index] = start_one(&named, index as u64);
    }
    drop(children);
    check_times.sort();
    let repairs = named.dictionary.statistics().repairs;
    println!("{repairs} repairs, median check {:?}", check_times[check_times.len() / 2]);
    verify_empty_after_flush(&named.dictionary);
}

/// Not one cell is lost.
pub fn verify_empty_after_flush(dictionary: &Dictionary) {
    let findings = dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{findings:?}");
    dictionary.flush_all().expect("locks are free");
    dictionary.flush_expired(u64::MAX).expect("locks are free");
    let statistics = dictionary.statistics();
    assert_eq!((statistics.used_bytes, statistics.entries, statistics.elements), (0, 0, 0));
    let findings = dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{findings:?}");
}
