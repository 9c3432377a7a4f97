//! A damaged segment: attach, and every operation.
//!
//! The input damages the segment of a small dictionary (places and words) and says which operations
//! follow. What holds: opening is an error or works; nothing crashes or runs for ever; and after a repair
//! nothing is wrong.

#![no_main]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use moonhive_shm::{Cursor, Dictionary, Options, SetOptions, Side, Value};

/// Where damage begins: the header is left alone by every second input, because its checksum is not
/// guessed often.
const HEADER_BYTES: u64 = 4096;

fn options() -> Options {
    Options { lock_timeout: Duration::from_millis(1), ..Options::new(4096) }
}

fn subject() -> Dictionary {
    let dictionary = Dictionary::create_unnamed("fuzz", &options()).expect("there is memory");
    let plain = SetOptions::default();
    for number in 0..6 {
        dictionary.set([b'k', number], i64::from(number).into(), plain).expect("there is room");
        dictionary.push("l", i64::from(number).into(), Side::Left, plain).expect("there is room");
    }
    dictionary.delete([b'k', 2]).expect("the lock is free");
    dictionary.set("long", Value::Bytes(&[7; 600]), plain).expect("there is room");
    dictionary.set("ends", 1.into(), plain.ttl_ms(1000)).expect("there is room");
    dictionary
}

/// Eight bytes of the input.
fn take(input: &mut &[u8]) -> Option<u64> {
    let (word, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(u64::from_le_bytes(*word))
}

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let Some(head) = take(&mut input) else { return };
    let original = subject();
    let file = original.as_fd().try_clone_to_owned().expect("a descriptor");
    damage(&File::from(file), &mut input, head);
    let file = original.as_fd().try_clone_to_owned().expect("a descriptor");
    let Ok(dictionary) = Dictionary::from_descriptor(file, &options()) else { return };
    input.iter().for_each(|byte| act(&dictionary, *byte));
    if dictionary.repair().is_ok() {
        let findings = dictionary.check().expect("the lock was free just now");
        assert!(findings.is_empty(), "{findings:?}");
        dictionary.set("after", 1.into(), SetOptions::default()).expect("it works again");
    }
});

/// Writes so many words at places that the input names.
fn damage(file: &File, input: &mut &[u8], head: u64) {
    let size_bytes = file.metadata().expect("a file").len();
    let start = if head & 1 == 0 { HEADER_BYTES } else { 0 };
    for _ in 0..head >> 1 & 31 {
        let Some((place, word)) = take(input).zip(take(input)) else { return };
        let at = (start + place % (size_bytes - start)) & !3;
        let bytes = word.to_le_bytes();
        let width = if place >> 32 & 1 == 0 { 4 } else { 8 };
        let width = width.min(size_bytes - at) as usize;
        file.write_all_at(&bytes[..width], at).expect("inside");
    }
}

fn act(dictionary: &Dictionary, byte: u8) {
    let keys = ["k\x01", "k\x02", "l", "long", "ends", "new", "m", "n"];
    let key = keys[usize::from(byte & 7)];
    let plain = SetOptions::default();
    let mut buffer = Vec::new();
    match byte >> 3 {
        0 => drop(dictionary.get_into(key, &mut buffer)),
        1 => drop(dictionary.get_stale(key, &mut buffer)),
        2 => drop(dictionary.ttl(key)),
        3 => drop(dictionary.range(key, 0, -1)),
        4 => drop(dictionary.push(key, 1.into(), Side::Left, plain)),
        5 => drop(dictionary.push(key, Value::Bytes(&[1; 200]), Side::Right, plain)),
        6 => drop(dictionary.pop_into(key, Side::Left, &mut buffer)),
        7 => drop(dictionary.pop_into(key, Side::Right, &mut buffer)),
        8 => drop(dictionary.incr(key, 1.into(), Some(1.into()), plain)),
        9 => drop(dictionary.incr(key, 0.5.into(), None, plain)),
        10 => drop(dictionary.expire(key, 100_000)),
        11 => drop(dictionary.set(key, Value::Bytes(&[1; 300]), plain)),
        12 => drop(dictionary.set(key, Value::Bytes(&[2; 3000]), plain.never_evict())),
        13 => drop(dictionary.set(key, 1.into(), plain)),
        14 => drop(dictionary.delete(key)),
        15 => drop(dictionary.items(Cursor::from_number(u64::from(byte & 7) * 9), 5)),
        16 => drop(dictionary.sweep(Cursor::default(), 10)),
        17 => drop(dictionary.flush_all()),
        18 => drop(dictionary.check()),
        19 => drop(dictionary.length(key)),
        20 => drop(dictionary.add(key, Value::Table(b"t"), plain.ttl_ms(1))),
        21 => drop(dictionary.replace(key, Value::Nil, plain)),
        22 => drop(dictionary.cas(key, 3, Value::Boolean(true), plain)),
        23 => drop(dictionary.repair()),
        _ => drop(dictionary.statistics()),
    }
}
