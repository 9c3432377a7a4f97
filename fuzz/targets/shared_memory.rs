//! A damaged segment: attach, and every operation.
//!
//! The input damages the segment of a small dictionary (places and words), may forge numbers of its
//! header with a checksum that is right, may let it be a file of another start of the machine, and
//! says which operations follow. What holds: opening is an error or works; nothing crashes or runs
//! for ever; and after a repair nothing is wrong.

#![no_main]

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use moonhive_shm::segment::File;
use moonhive_shm::{Cursor, Dictionary, Error, Options, SetOptions, Side, Usage, Value};
use siphasher::sip::SipHasher13;

/// Where damage begins: the header is left alone by every second input.
const HEADER_BYTES: u64 = 4096;

/// Words of the header that its checksum covers; the checksum is the next one.
const COVERED_WORDS: usize = 22;

/// The word of the header with the size of the segment, and the first one of the boot.
const SIZE_WORD: usize = 6;
const BOOT_WORD: usize = 10;

/// The first number of the dictionary in the header; six follow each other.
const NUMBERS_WORD: usize = 14;
const NUMBERS: usize = 6;

/// Where the first shard lies, and how far the next one from it.
const FIRST_SHARD: usize = 4096 + 32 * 64;
const SHARD_BYTES: usize = 640;

/// A forged header may ask for so much.
const FORGED_BYTES_MOST: u64 = 256 << 10;

const PLAIN: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// What the first word of an input asks for.
#[derive(Clone, Copy)]
struct Head(u64);

impl Head {
    fn damages_header(self) -> bool {
        self.0 & 1 == 1
    }

    fn damages(self) -> u64 {
        self.0 >> 1 & 31
    }

    fn forges(self) -> u64 {
        if self.0 >> 6 & 1 == 1 { 1 + (self.0 >> 7 & 7) } else { 0 }
    }

    fn shards(self) -> u32 {
        1 << (self.0 >> 10 & 1)
    }

    fn is_from_another_boot(self) -> bool {
        self.0 >> 11 & 3 == 3
    }
}

fn options(shards: u32) -> Options {
    let lock_timeout = Duration::from_millis(1);
    Options { lock_timeout, shards: Some(shards), ..Options::new(4096) }
}

/// The bytes of a dictionary with one of everything.
fn subject(shards: u32) -> Vec<u8> {
    let dictionary = Dictionary::create_unnamed("fuzz", &options(shards)).expect("memory");
    for number in 0..6 {
        dictionary.set([b'k', number], i64::from(number).into(), PLAIN).expect("there is room");
        dictionary.push("l", i64::from(number).into(), Side::Left, PLAIN).expect("there is room");
    }
    dictionary.delete([b'k', 2]).expect("the lock is free");
    dictionary.set("long", Value::Bytes(&[7; 600]), PLAIN).expect("there is room");
    dictionary.set("ends", 1.into(), PLAIN.ttl_ms(1000)).expect("there is room");
    dictionary.expire([b'k', 4], 1).expect("it is there");
    let file = fs::File::from(dictionary.as_fd().try_clone_to_owned().expect("a descriptor"));
    let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("all of it");
    bytes
}

/// Eight bytes of the input.
fn take(input: &mut &[u8]) -> Option<u64> {
    let (word, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(u64::from_le_bytes(*word))
}

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let Some(head) = take(&mut input).map(Head) else { return };
    let mut bytes = subject(head.shards());
    damage(&mut bytes, &mut input, head);
    forge(&mut bytes, &mut input, head);
    let place = Place::new(&bytes);
    let Some(dictionary) = place.open(&mut bytes, head) else { return };
    for act in input.chunks_exact(2) {
        do_one(&dictionary, act[0], act[1]);
    }
    if dictionary.repair().is_ok() {
        let findings = dictionary.check().expect("the lock was free just now");
        assert!(findings.is_empty(), "{findings:?}");
        match dictionary.set("after", 1.into(), PLAIN) {
            // A forged dictionary may have room for nothing.
            Err(Error::NoMemory { .. }) if head.forges() > 0 => (),
            stored => drop(stored.expect("it works again")),
        }
    }
});

/// Writes so many words at places that the input names.
fn damage(bytes: &mut [u8], input: &mut &[u8], head: Head) {
    let size_bytes = bytes.len() as u64;
    let start = if head.damages_header() { 0 } else { HEADER_BYTES };
    for _ in 0..head.damages() {
        let Some((place, word)) = take(input).zip(take(input)) else { return };
        let at = ((start + place % (size_bytes - start)) & !3) as usize;
        let width = if place >> 32 & 1 == 0 { 4 } else { 8 };
        let end = bytes.len().min(at + width);
        bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
    }
}

fn word_of(bytes: &[u8], word: usize) -> u64 {
    u64::from_le_bytes(bytes[word * 8..word * 8 + 8].try_into().expect("eight bytes"))
}

fn set_word(bytes: &mut [u8], word: usize, value: u64) {
    bytes[word * 8..word * 8 + 8].copy_from_slice(&value.to_le_bytes());
}

/// Lets the checksum of the header be right.
fn seal(bytes: &mut [u8]) {
    let (magic, version) = (word_of(bytes, 0), word_of(bytes, 1) as u32);
    let sum = SipHasher13::new_with_keys(magic, version.into()).hash(&bytes[..COVERED_WORDS * 8]);
    set_word(bytes, COVERED_WORDS, sum);
}

/// Writes numbers of any size into the header: mostly those of the dictionary, which say where all
/// lies.
fn forge(bytes: &mut [u8], input: &mut &[u8], head: Head) {
    for _ in 0..head.forges() {
        let Some((place, value)) = take(input).zip(take(input)) else { break };
        let word = match place >> 8 & 7 {
            0 => (place as usize & 0xff) % COVERED_WORDS,
            _ => NUMBERS_WORD + (place as usize & 0xff) % NUMBERS,
        };
        let value = value >> (place >> 16 & 63);
        // Cells come in groups.
        set_word(bytes, word, if place >> 24 & 1 == 1 { value & !63 } else { value });
    }
    if head.is_from_another_boot() {
        set_word(bytes, BOOT_WORD, 1);
    }
    if head.forges() > 0 || head.is_from_another_boot() {
        seal(bytes);
    }
}

/// Puts the first shard into the place of all others, so that each has a lock.
fn multiply_shard(bytes: &mut [u8]) {
    for shard in 1..word_of(bytes, NUMBERS_WORD + 1) as usize {
        bytes
            .copy_within(FIRST_SHARD..FIRST_SHARD + SHARD_BYTES, FIRST_SHARD + shard * SHARD_BYTES);
    }
}

/// A file in shared memory, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new(bytes: &[u8]) -> Self {
        let place = Self(PathBuf::from(format!("/dev/shm/fuzz-{}", std::process::id())));
        fs::write(&place.0, bytes).expect("there is memory");
        place
    }

    fn open(&self, bytes: &mut Vec<u8>, head: Head) -> Option<Dictionary> {
        match self.try_open(head) {
            // Forged numbers: now the size goes with them.
            Err(Error::WrongSize { expected_bytes, .. })
                if head.forges() > 0
                    && (HEADER_BYTES..FORGED_BYTES_MOST).contains(&expected_bytes) =>
            {
                bytes.resize(expected_bytes as usize, 0);
                set_word(bytes, SIZE_WORD, expected_bytes);
                seal(bytes);
                multiply_shard(bytes);
                fs::write(&self.0, &*bytes).expect("there is memory");
                self.try_open(head).ok()
            }
            opened => opened.ok(),
        }
    }

    fn try_open(&self, head: Head) -> Result<Dictionary, Error> {
        if head.is_from_another_boot() {
            return Dictionary::open_in(&File::new(&self.0).expect("a path"), &options(1));
        }
        let file = fs::File::options().read(true).write(true).open(&self.0).expect("it is there");
        Dictionary::from_descriptor(file.into(), &options(1))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One operation of any kind, with a key and numbers from the second byte.
fn do_one(dictionary: &Dictionary, act: u8, byte: u8) {
    let keys = ["k\x01", "k\x02", "l", "long", "ends", "new", "m", "k\x04"];
    let key = keys[usize::from(byte & 7)];
    let number = u64::from(byte >> 3);
    let mut buffer = Vec::new();
    match act % 28 {
        0 => drop(dictionary.get_into(key, &mut buffer)),
        1 => drop(dictionary.get_stale(key, &mut buffer)),
        2 => drop(dictionary.ttl(key)),
        3 => drop(dictionary.range(key, 0, -1)),
        4 => drop(dictionary.push(key, 1.into(), Side::Left, PLAIN)),
        5 => drop(dictionary.push(key, Value::Bytes(&[1; 200]), Side::Right, PLAIN)),
        6 => drop(dictionary.pop_into(key, Side::Left, &mut buffer)),
        7 => drop(dictionary.pop_into(key, Side::Right, &mut buffer)),
        8 => drop(dictionary.incr(key, 1.into(), Some(1.into()), PLAIN)),
        9 => drop(dictionary.incr(key, 0.5.into(), None, PLAIN)),
        10 => drop(dictionary.expire(key, number * 100)),
        11 => drop(dictionary.set(key, Value::Bytes(&[1; 300]), PLAIN)),
        12 => drop(dictionary.set(key, Value::Bytes(&[2; 3000]), PLAIN.never_evict())),
        13 => drop(dictionary.set(key, 1.into(), PLAIN)),
        14 => drop(dictionary.delete(key)),
        15 => drop(dictionary.items(Cursor::from_number(number * 9), 5)),
        16 => drop(dictionary.sweep(Cursor::from_number(number), 10)),
        17 => drop(dictionary.flush_all()),
        18 => drop(dictionary.check()),
        19 => drop(dictionary.length(key)),
        20 => drop(dictionary.add(key, Value::Table(b"t"), PLAIN.ttl_ms(1))),
        21 => drop(dictionary.replace(key, Value::Nil, PLAIN)),
        22 => drop(dictionary.cas(key, number, Value::Boolean(true), PLAIN)),
        23 => drop(dictionary.repair()),
        24 => drop(dictionary.statistics()),
        _ => do_another(dictionary, key, act, number),
    }
}

/// What hosts do about time and changes, and looks at everything.
fn do_another(dictionary: &Dictionary, key: &str, act: u8, number: u64) {
    let version = || dictionary.version(key).ok().flatten();
    match act / 28 {
        0 => drop(dictionary.flush_expired(number)),
        1 => drop(dictionary.flush_expired(u64::MAX)),
        2 => dictionary.tidy(),
        3 => dictionary.tidy_flushed(),
        4 => drop(dictionary.overdue(key)),
        5 if number & 1 == 0 => drop(dictionary.remove(key, version().unwrap_or(number))),
        5 => drop(dictionary.reclaim(Cursor::from_number(number), 10, Duration::ZERO)),
        6 if number & 1 == 0 => drop(dictionary.wait(key, version(), Duration::ZERO)),
        6 => drop(dictionary.pop_wait(key, Side::Left, Duration::ZERO)),
        7 => drop(dictionary.wait(key, Some(number), Duration::ZERO)),
        _ if number & 1 == 0 => read_in_pieces(dictionary, key),
        _ => measure(dictionary),
    }
}

/// Comes to an end, however the links lead.
fn read_in_pieces(dictionary: &Dictionary, key: &str) {
    let mut cursor = None;
    while let Ok((_, Some(next))) = dictionary.elements(key, cursor, 2) {
        cursor = Some(next);
    }
}

fn measure(dictionary: &Dictionary) {
    let (mut usage, mut cursor) = (Usage::default(), Some(Cursor::default()));
    while let Some(at) = cursor {
        cursor = dictionary.measure(at, 40, &mut usage).ok().flatten();
    }
}
