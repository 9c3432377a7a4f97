//! Segments that are not what they should be: cut, of another version, full of noise, with bits
//! flipped.
//!
//! Opening one is an error or works; operations answer, fail, or find nothing. Nothing crashes,
//! nothing runs for ever, and after a repair nothing is wrong. The fuzz target `shared_memory` goes
//! on from here.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use moonhive_shm::{Cursor, Dictionary, Error, Options, SetOptions, Side, Value};
use siphasher::sip::SipHasher13;

/// How many files this process has made.
static SERIAL: AtomicUsize = AtomicUsize::new(0);

/// Where the header has its size, its numbers, and the checksum over all before.
const SIZE_AT: usize = 48;
const NUMBERS_AT: usize = 112;
const CHECKSUM_AT: usize = 176;
const SHARDS_AT: usize = NUMBERS_AT + 8;

/// Where the first shard lies, and how far the next one from it.
const FIRST_SHARD: usize = 4096 + 32 * 64;
const SHARD_BYTES: usize = 640;

/// A forged header may ask for so much.
const FORGED_BYTES_MOST: u64 = 1 << 20;

/// Longest time for one damaged segment.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A generator with a visible seed: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn options() -> Options {
    Options { lock_timeout: Duration::from_millis(2), ..Options::new(16 << 10) }
}

/// A dictionary with one of everything, and its file.
fn subject() -> (Dictionary, File) {
    let dictionary = Dictionary::create_unnamed("hostile", &options()).expect("memory");
    let plain = SetOptions::default();
    for number in 0..40 {
        dictionary.set(format!("k{number}"), number.into(), plain).expect("there is room");
        dictionary.delete(format!("k{}", number / 2 * 2)).expect("locks are free");
        dictionary.push("l", number.into(), Side::Left, plain).expect("there is room");
    }
    dictionary.set("long", Value::Bytes(&[7; 3000]), plain).expect("there is room");
    dictionary.set("ends", 1.into(), plain.ttl_ms(1000)).expect("there is room");
    let file = File::from(dictionary.as_fd().try_clone_to_owned().expect("a descriptor"));
    (dictionary, file)
}

/// Comes to an end, however the links lead.
fn read_in_pieces(dictionary: &Dictionary, key: &str) {
    let mut cursor = None;
    while let Ok((_, Some(next))) = dictionary.elements(key, cursor, 2) {
        cursor = Some(next);
    }
}

/// Opens the file again and uses everything. Only the absence of a crash counts, and what a repair
/// leaves.
fn use_everything(file: &File) {
    let start = Instant::now();
    let copy = file.as_fd().try_clone_to_owned().expect("a descriptor");
    let Ok(dictionary) = Dictionary::from_descriptor(copy, &options()) else { return };
    let plain = SetOptions::default();
    let mut buffer = Vec::new();
    for key in ["k1", "k2", "l", "long", "ends", "new"] {
        let _ = dictionary.get_into(key, &mut buffer);
        let _ = dictionary.get_stale(key, &mut buffer);
        let _ = dictionary.ttl(key);
        let _ = dictionary.range(key, 0, -1);
        read_in_pieces(&dictionary, key);
        let _ = dictionary.push(key, 1.into(), Side::Right, plain);
        let _ = dictionary.pop_into(key, Side::Left, &mut buffer);
        let _ = dictionary.incr(key, 1.into(), Some(1.into()), plain);
        let _ = dictionary.expire(key, 100_000);
        let _ = dictionary.set(key, Value::Bytes(&[1; 700]), plain);
        let _ = dictionary.set(key, Value::Bytes(&[2; 9000]), plain.never_evict());
        let _ = dictionary.delete(key);
    }
    let _ = dictionary.items(Cursor::default(), usize::MAX);
    let _ = dictionary.check();
    let _ = dictionary.reclaim(Cursor::default(), u64::MAX, Duration::ZERO);
    dictionary.tidy();
    let _ = dictionary.flush_expired(u64::MAX);
    if dictionary.repair().is_ok() {
        let findings = dictionary.check().expect("the lock was free just now");
        assert!(findings.is_empty(), "{findings:?}");
        let stored = dictionary.set("after", 1.into(), plain).map(drop);
        // Forged numbers may leave room for nothing.
        let is_full = matches!(stored, Err(Error::NoMemory { .. }));
        assert!(stored.is_ok() || is_full && dictionary.capacity_bytes() < 4096, "{stored:?}");
    }
    assert!(start.elapsed() < WATCHDOG, "it took {:?}", start.elapsed());
}

#[test]
fn flipped_bits_crash_nothing() {
    for seed in 0..150 {
        let (_dictionary, file) = subject();
        let size_bytes = file.metadata().expect("a file").len();
        let mut random = Random(seed);
        for _ in 0..1 + random.below(40) {
            let (at, bit) = (random.below(size_bytes), random.below(8));
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("inside");
            file.write_all_at(&[byte[0] ^ 1 << bit], at).expect("inside");
        }
        use_everything(&file);
    }
}

#[test]
fn noise_behind_a_right_header_crashes_nothing() {
    for seed in 0..60 {
        let (_dictionary, file) = subject();
        let size_bytes = file.metadata().expect("a file").len();
        let mut random = Random(seed);
        let start = 4096 + random.below(size_bytes - 4096);
        let end = start + random.below(size_bytes - start) + 1;
        for at in (start..end.min(size_bytes - 8)).step_by(8) {
            let word = match random.below(4) {
                0 => random.next(),
                1 => random.below(size_bytes),
                2 => random.next() & 0x0000_00ff_0000_00ff,
                _ => continue,
            };
            file.write_all_at(&word.to_le_bytes(), at).expect("inside");
        }
        use_everything(&file);
    }
}

#[test]
fn links_that_run_in_circles_end() {
    for seed in 0..60 {
        let (_dictionary, file) = subject();
        let size_bytes = file.metadata().expect("a file").len();
        let mut random = Random(seed);
        // Small numbers at places where links are: halves of cells and buckets.
        for at in (4096..size_bytes - 4).step_by(4) {
            if random.below(12) == 0 {
                let link = random.below(48) as u32;
                file.write_all_at(&link.to_le_bytes(), at).expect("inside");
            }
        }
        use_everything(&file);
    }
}

/// A file in shared memory that has no name any more.
fn file_of(bytes: &[u8]) -> File {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let path = format!("/dev/shm/hostile-{}-{serial}", std::process::id());
    std::fs::write(&path, bytes).expect("there is memory");
    let file = File::options().read(true).write(true).open(&path).expect("it was just made");
    std::fs::remove_file(&path).expect("it was just made");
    file
}

/// Opens bytes as if they were a segment.
fn open_bytes(bytes: &[u8]) -> Error {
    let file = file_of(bytes);
    let opened = Dictionary::from_descriptor(file.into(), &options());
    opened.map(|_| ()).expect_err("it is no dictionary")
}

#[test]
fn what_is_no_segment_is_refused() {
    let (_dictionary, file) = subject();
    let mut bytes = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("all of it");
    for (length, code) in [(0, "wrong_size"), (100, "wrong_size"), (4096, "wrong_size")] {
        assert_eq!(open_bytes(&bytes[..length]).code(), code, "{length} bytes");
    }
    assert_eq!(open_bytes(&bytes[..bytes.len() - 64]).code(), "wrong_size");
    assert_eq!(open_bytes(&vec![0x5a; 9000]).code(), "wrong_magic");
    let version = bytes[8];
    bytes[8] = 9;
    assert_eq!(open_bytes(&bytes), Error::WrongVersion { found: 9, known: version.into() });
    bytes[8] = version;
    bytes.chunks_exact_mut(8).for_each(|word| word.reverse());
    assert_eq!(open_bytes(&bytes).code(), "wrong_machine");
}

/// Writes numbers into a header, with a checksum that is right.
fn forge(bytes: &mut [u8], numbers: &[(usize, u64)]) {
    for (at, number) in numbers {
        bytes[*at..*at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let magic = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let version = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    let sum = SipHasher13::new_with_keys(magic, version.into()).hash(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 8].copy_from_slice(&sum.to_le_bytes());
}

/// What a forged header asks for, if it is taken at all: numbers of the dictionary, the most likely
/// ones small.
fn forged_numbers(random: &mut Random) -> Vec<(usize, u64)> {
    let capacity_bytes = random.below(40_000);
    let cells = random.below(8) * 64;
    let numbers = [
        capacity_bytes.min(cells * 64) >> random.below(3),
        1 << random.below(8),
        random.below(3),
        cells + random.below(40) / 39,
        cells - random.below(cells + 1) / 2,
        random.below(600),
    ];
    let wild = random.below(12) as usize;
    let forge = |(index, number): (usize, &u64)| match index == wild {
        true => (NUMBERS_AT + index * 8, random.next() >> random.below(64)),
        false => (NUMBERS_AT + index * 8, *number),
    };
    numbers.iter().enumerate().map(forge).collect()
}

/// Puts the first shard into the place of all others, so that each has a lock.
fn multiply_shard(bytes: &mut [u8]) {
    let shards = u64::from_le_bytes(bytes[SHARDS_AT..SHARDS_AT + 8].try_into().expect("eight"));
    for shard in 1..shards as usize {
        bytes
            .copy_within(FIRST_SHARD..FIRST_SHARD + SHARD_BYTES, FIRST_SHARD + shard * SHARD_BYTES);
    }
}

#[test]
fn forged_numbers_under_a_right_checksum_crash_nothing() {
    let (_dictionary, file) = subject();
    let mut original = vec![0; file.metadata().expect("a file").len() as usize];
    file.read_exact_at(&mut original, 0).expect("all of it");
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..1500 {
        let mut bytes = original.clone();
        forge(&mut bytes, &forged_numbers(&mut Random(seed)));
        match open_bytes(&bytes) {
            // The numbers are possible: now the size goes with them.
            Error::WrongSize { expected_bytes, .. } if expected_bytes < FORGED_BYTES_MOST => {
                bytes.resize(expected_bytes as usize, 0);
                forge(&mut bytes, &[(SIZE_AT, expected_bytes)]);
                multiply_shard(&mut bytes);
                let file = file_of(&bytes);
                let copy = file.as_fd().try_clone_to_owned().expect("a descriptor");
                opened += u32::from(Dictionary::from_descriptor(copy, &options()).is_ok());
                use_everything(&file);
            }
            error => {
                assert!(["damaged", "wrong_size"].contains(&error.code()), "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    println!("{opened} opened, {refused} refused");
    assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
}
