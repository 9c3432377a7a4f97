//! Many random deaths among writers and readers.
//!
//! What a writer has done is known from the dictionary itself: he stores `data` before he adds to
//! `sum`, and that before `ack`, so a survivor who reads `ack` first must find the others at least
//! as new; what he deletes he says, too, see [`ledger`](crate::ledger). Values carry their key and
//! a checksum, so a mixture of two is noticed, and the value of another key. A reader who finds one
//! ends himself with a failure.

use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, Options, OwnedValue, SetOptions, Side, Value};

use crate::ledger::{self, counter, set_counter};
use crate::values::{opened, sealed};
use crate::{Kept, Named, Random, say_ready, start, variable};

const WRITERS: u64 = 2;
const READERS: u64 = 2;

/// Kills in the short form.
const KILLS: u64 = 120;

/// Kills between two looks at everything.
const KILLS_PER_LOOK: u64 = 16;

/// Keys that all writers overwrite, so that deaths meet in one shard.
const SHARED_KEYS: u64 = 64;

/// Longest list: without it the lists grow as a random walk does, until acknowledged entries have
/// to go.
const LIST_LENGTH_MOST: u64 = 40;

/// Reads between two signs of life.
const READS_PER_BEAT: u64 = 64;

/// Nobody who lives is silent for as long.
const WATCHDOG: Duration = Duration::from_secs(60);

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

pub fn write_for_ever(dictionary: &Dictionary, number: &str) {
    let number: u64 = number.parse().expect("a number");
    let mut random = Random(number ^ u64::from(std::process::id()) << 20);
    let [data, sum, ack] = ["data", "sum", "ack"].map(|what| format!("{what}{number}"));
    let mut done = counter(dictionary, &ack);
    say_ready();
    loop {
        done += 1;
        let length = [8, 16, 200, 5000][random.below(4) as usize];
        let bytes = sealed(&data, done, length);
        dictionary.set(&data, Value::Bytes(&bytes), OPTIONS).expect("set");
        dictionary.incr(&sum, 1.into(), Some(0.into()), OPTIONS).expect("a number");
        set_counter(dictionary, &ack, done);
        ledger::act(dictionary, number, &mut random);
        disturb(dictionary, &mut random);
    }
}

/// One more operation of some kind on keys that everybody uses.
fn disturb(dictionary: &Dictionary, random: &mut Random) {
    let key = format!("shared{}", random.below(SHARED_KEYS));
    let list = format!("list{}", random.below(4));
    let length = random.below(3000) as usize;
    match random.below(8) {
        0 => drop(dictionary.delete(&key).expect("delete")),
        1 if dictionary.length(&list).expect("a list") < LIST_LENGTH_MOST => {
            let bytes = sealed(&list, 7, length);
            dictionary.push(&list, Value::Bytes(&bytes), Side::Left, OPTIONS).expect("push");
        }
        1 | 2 => match dictionary.pop(&list, Side::Right).expect("pop") {
            Some(OwnedValue::Bytes(bytes)) => assert_eq!(opened(&list, &bytes), 7),
            other => assert_eq!(other, None),
        },
        3 => drop(dictionary.expire(&key, 1 + random.below(5))),
        _ => {
            let bytes = sealed(&key, random.below(1000), length);
            dictionary.set(&key, Value::Bytes(&bytes), OPTIONS).expect("set");
        }
    }
}

/// What a key holds, and the buffer that it lies in.
fn number_of(dictionary: &Dictionary, key: &str, buffer: &mut Vec<u8>) -> Option<u64> {
    let entry = dictionary.get_into(key, buffer).expect("a plain value");
    entry.map(|entry| match entry.value {
        Value::Bytes(bytes) => opened(key, bytes),
        other => panic!("{key}: {other:?}"),
    })
}

pub fn read_for_ever(dictionary: &Dictionary, number: &str) {
    let mut random = Random(u64::from(std::process::id()));
    let mut buffer = Vec::new();
    let mut newest = [0; WRITERS as usize];
    let beat = format!("beat{number}");
    say_ready();
    for read in 0_u64.. {
        let writer = random.below(WRITERS);
        match random.below(4) {
            0 => {
                let data = number_of(dictionary, &format!("data{writer}"), &mut buffer);
                let newest = &mut newest[writer as usize];
                assert!(data.unwrap_or(0) >= *newest, "{data:?} after {newest}");
                *newest = data.unwrap_or(0);
            }
            1 => ledger::read(dictionary, writer, &mut random),
            _ => {
                let key = format!("shared{}", random.below(SHARED_KEYS));
                number_of(dictionary, &key, &mut buffer);
            }
        }
        if read.is_multiple_of(READS_PER_BEAT) {
            dictionary.incr(&beat, 1.into(), Some(0.into()), OPTIONS).expect("a number");
        }
    }
}

/// Nothing that a writer had acknowledged is missing, and nothing that he had deleted is there.
fn verify_acknowledged(dictionary: &Dictionary) {
    for writer in 0..WRITERS {
        let ack = counter(dictionary, &format!("ack{writer}"));
        let sum = counter(dictionary, &format!("sum{writer}"));
        let data = number_of(dictionary, &format!("data{writer}"), &mut Vec::new()).unwrap_or(0);
        assert!(data >= ack, "writer {writer} acknowledged {ack}, found {data}");
        assert!(sum >= ack, "writer {writer} acknowledged {ack}, counted {sum}");
        ledger::verify(dictionary, writer);
    }
    assert_eq!(dictionary.statistics().evictions, 0, "the dictionary is large enough");
}

/// What grows as long as a child lives.
fn sign_of_life(index: u64) -> String {
    match index {
        0..WRITERS => format!("ack{index}"),
        _ => format!("beat{index}"),
    }
}

/// Everybody goes on.
fn verify_life(dictionary: &Dictionary) {
    let signs: Vec<String> = (0..WRITERS + READERS).map(sign_of_life).collect();
    let before: Vec<u64> = signs.iter().map(|sign| counter(dictionary, sign)).collect();
    let deadline = Instant::now() + WATCHDOG;
    for (sign, before) in signs.iter().zip(before) {
        while counter(dictionary, sign) == before {
            assert!(Instant::now() < deadline, "{sign} stays at {before}");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn start_one(named: &Named, index: u64) -> Kept {
    let role = if index < WRITERS { "writer" } else { "reader" };
    start(role, &named.name, &index.to_string())
}

fn verify_survivors(children: &mut [Kept], place: &str) {
    for child in children {
        let ended = child.try_wait().expect("it is ours");
        assert!(ended.is_none(), "{place}: a survivor failed: {ended:?}");
    }
}

#[test]
fn a_storm_of_kills_harms_no_survivor() {
    let (kills, seed) = (variable("SHM_KILLS", KILLS), variable("SHM_SEED", 1));
    println!("seed {seed}, {kills} kills");
    let named = Named::new("storm", &Options::new(2 << 20));
    let mut random = Random(seed);
    let mut children: Vec<Kept> =
        (0..WRITERS + READERS).map(|index| start_one(&named, index)).collect();
    let mut check_times = Vec::new();
    for kill in 0..kills {
        let place = format!("seed {seed}, kill {kill}");
        std::thread::sleep(Duration::from_micros(random.below(1500)));
        let index = random.below(WRITERS + READERS) as usize;
        verify_survivors(&mut children, &place);
        children[index].kill().expect("it is ours");
        children[index].wait().expect("it is ours");
        verify_acknowledged(&named.dictionary);
        if kill % KILLS_PER_LOOK == 0 {
            let start = Instant::now();
            let findings = named.dictionary.check().expect("locks are free");
            check_times.push(start.elapsed());
            assert!(findings.is_empty(), "{place}: {findings:?}");
        }
        children[index] = start_one(&named, index as u64);
        if kill % KILLS_PER_LOOK == 0 {
            verify_life(&named.dictionary);
        }
    }
    verify_survivors(&mut children, "the end");
    drop(children);
    verify_acknowledged(&named.dictionary);
    report(&named.dictionary, check_times);
    verify_empty_after_flush(&named.dictionary);
}

fn report(dictionary: &Dictionary, mut check_times: Vec<Duration>) {
    check_times.sort();
    let repairs = dictionary.statistics().repairs;
    let acts = (0..WRITERS)
        .flat_map(|writer| (0..ledger::KEYS).map(move |index| format!("own{writer}.{index} done")));
    let acts: u64 = acts.map(|key| counter(dictionary, &key)).sum();
    let stores: u64 = (0..WRITERS).map(|it| counter(dictionary, &format!("ack{it}"))).sum();
    println!("{stores} stores and {acts} stores or deletes acknowledged, {repairs} repairs");
    println!("median check {:?}", check_times[check_times.len() / 2]);
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
