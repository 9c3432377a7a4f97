//! The first page of a segment: what it is, for whom it was made, and how to know that it is whole.
//!
//! Every field but `state` and `clock` is written once, by the creator, before the segment has a
//! name; the checksum covers them. An opener copies the page and uses its copy for ever, so that a
//! number that was checked cannot change afterwards. `docs/shm-format.md` draws the layout.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::machine;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::sync::Ordering;

/// Bytes before the first structure of the kind.
pub const HEADER_BYTES: usize = 4096;

/// Numbers that a kind of object keeps in the header.
pub const PARAMETERS: usize = 8;

/// Version of everything that lies in a segment; another one is refused.
pub const LAYOUT_VERSION: u32 = 3;

/// `"MOONSHM1"` as a little-endian number.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MOONSHM1");

/// Words that the checksum covers.
const COVERED_WORDS: usize = 22;

const MAGIC_AT: usize = 0;
const VERSION_AND_KIND: usize = 8;
const BYTE_ORDER: usize = 16;
const WIDTH_AND_PAGE: usize = 24;
const LOCK_ABI: usize = 32;
const FEATURES: usize = 40;
const SIZE: usize = 48;
const HASH_KEY: usize = 56;
const PID_NAMESPACE: usize = 72;
const BOOT: usize = 80;
const CREATOR: usize = 96;
const CREATED: usize = 104;
const PARAMETERS_AT: usize = 112;
const CHECKSUM: usize = COVERED_WORDS * 8;
const STATE: usize = CHECKSUM + 8;
const CLOCK: usize = STATE + 8;

const _: () = assert!(PARAMETERS_AT + PARAMETERS * 8 == CHECKSUM);

const ORDER_MARK: u64 = 0x0102_0304_0506_0708;
const STATE_READY: u64 = 1;

/// Features that this program understands; none has been needed yet.
const KNOWN_FEATURES: u64 = 0;

/// What lives in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A dictionary.
    Dictionary,
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Self::Dictionary => 1,
        }
    }
}

/// A copy of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size of the whole segment.
    pub size_bytes: u64,
    /// Key of the hash of keys: chosen at random, so that nobody can aim at one bucket.
    pub hash_key: (u64, u64),
    /// The process that made it.
    pub creator_pid: u32,
    /// When, in seconds of Unix time.
    pub created_s: u64,
    /// Inode of the pid namespace of the creator; 0 where it could not be found out.
    pub pid_namespace: u64,
    /// Which start of the machine; 0 where it could not be found out.
    pub boot: (u64, u64),
    /// Numbers of the kind.
    pub parameters: [u64; PARAMETERS],
}

impl Header {
    /// A header for an object that this process makes now.
    pub fn new(size_bytes: u64, parameters: [u64; PARAMETERS]) -> Self {
        Self {
            size_bytes,
            hash_key: machine::random_key(),
            creator_pid: std::process::id(),
            created_s: machine::unix_time_s(),
            pid_namespace: machine::pid_namespace(),
            boot: machine::boot(),
            parameters,
        }
    }

    /// Writes every field but the state.
    pub(crate) fn write(&self, memory: &Memory, kind: Kind) {
        let words = self.words(kind);
        for (index, word) in words.iter().enumerate() {
            memory.store(index * 8, *word);
        }
        memory.store(CHECKSUM, checksum(&words));
    }

    /// The fields in their order, as the checksum covers them.
    fn words(&self, kind: Kind) -> [u64; COVERED_WORDS] {
        let mut words = [0; COVERED_WORDS];
        let mut set = |offset: usize, value: u64| words[offset / 8] = value;
        set(MAGIC_AT, MAGIC);
        set(VERSION_AND_KIND, pair(LAYOUT_VERSION, kind.number()));
        set(BYTE_ORDER, ORDER_MARK);
        set(WIDTH_AND_PAGE, machine::width_and_page());
        set(LOCK_ABI, crate::lock::abi());
        set(FEATURES, KNOWN_FEATURES);
        set(SIZE, self.size_bytes);
        set(HASH_KEY, self.hash_key.0);
        set(HASH_KEY + 8, self.hash_key.1);
        set(PID_NAMESPACE, self.pid_namespace);
        set(BOOT, self.boot.0);
        set(BOOT + 8, self.boot.1);
        set(CREATOR, u64::from(self.creator_pid));
        set(CREATED, self.created_s);
        for (index, value) in self.parameters.iter().enumerate() {
            set(PARAMETERS_AT + index * 8, *value);
        }
        words
    }

    /// Reads and checks the header of a segment of that size.
    ///
    /// # Errors
    /// The first thing that differs, from the general to the particular.
    pub(crate) fn read(memory: &Memory, kind: Kind) -> Result<Self> {
        let header = Self::read_from_elsewhere(memory, kind)?;
        header.check_place()?;
        Ok(header)
    }

    /// The same for a segment of another start of the machine, or of another pid namespace.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_from_elsewhere(memory: &Memory, kind: Kind) -> Result<Self> {
        let mut words = [0; COVERED_WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = memory.load(index * 8);
        }
        let state = memory.word(STATE).load(Ordering::Acquire);
        let header = Self::from_words(&words, memory.load(CHECKSUM), kind)?;
        if state != STATE_READY {
            return Err(Error::Damaged { what: "it was never finished" });
        }
        let found_bytes = memory.size_bytes() as u64;
        if header.size_bytes != found_bytes {
            return Err(Error::WrongSize { found_bytes, expected_bytes: header.size_bytes });
        }
        Ok(header)
    }

    fn from_words(words: &[u64; COVERED_WORDS], sum: u64, kind: Kind) -> Result<Self> {
        let at = |offset: usize| words[offset / 8];
        check_machine(&at)?;
        if sum != checksum(words) {
            return Err(Error::Damaged { what: "the checksum of the header" });
        }
        if at(VERSION_AND_KIND) >> 32 != u64::from(kind.number()) {
            return Err(Error::Damaged { what: "it is another kind of object" });
        }
        let unknown = at(FEATURES) & !KNOWN_FEATURES;
        if unknown != 0 {
            return Err(Error::UnknownFeatures { found: unknown });
        }
        Ok(Self {
            size_bytes: at(SIZE),
            hash_key: (at(HASH_KEY), at(HASH_KEY + 8)),
            creator_pid: at(CREATOR) as u32,
            created_s: at(CREATED),
            pid_namespace: at(PID_NAMESPACE),
            boot: (at(BOOT), at(BOOT + 8)),
            parameters: std::array::from_fn(|index| at(PARAMETERS_AT + index * 8)),
        })
    }

    /// The same object for who uses it here and now.
    pub(crate) fn moved_here(&self) -> Self {
        Self { pid_namespace: machine::pid_namespace(), boot: machine::boot(), ..*self }
    }

    /// Locks name their owner by a number that is valid in one pid namespace of one run of the
    /// machine.
    pub(crate) fn check_place(&self) -> Result<()> {
        let own = machine::pid_namespace();
        if self.pid_namespace != own && self.pid_namespace != 0 && own != 0 {
            return Err(Error::WrongPidNamespace { found: self.pid_namespace, own });
        }
        let boot = machine::boot();
        if self.boot != boot && self.boot != (0, 0) && boot != (0, 0) {
            return Err(Error::WrongBoot);
        }
        Ok(())
    }
}

/// What says that this program can understand the rest at all.
fn check_machine(at: &dyn Fn(usize) -> u64) -> Result<()> {
    if at(MAGIC_AT).swap_bytes() == MAGIC {
        let found = at(BYTE_ORDER);
        return Err(Error::WrongMachine { what: "byte order", found, expected: ORDER_MARK });
    }
    if at(MAGIC_AT) != MAGIC {
        return Err(Error::WrongMagic { found: at(MAGIC_AT) });
    }
    let found = at(VERSION_AND_KIND) as u32;
    if found != LAYOUT_VERSION {
        return Err(Error::WrongVersion { found, known: LAYOUT_VERSION });
    }
    let same = |what, offset, expected| match at(offset) {
        found if found == expected => Ok(()),
        found => Err(Error::WrongMachine { what, found, expected }),
    };
    same("byte order", BYTE_ORDER, ORDER_MARK)?;
    same("pointer width and page size", WIDTH_AND_PAGE, machine::width_and_page())?;
    same("kind and size of a lock", LOCK_ABI, crate::lock::abi())
}

/// The segment is whole: openers take it from now on.
pub(crate) fn mark_ready(memory: &Memory) {
    memory.word(STATE).store(STATE_READY, Ordering::Release);
}

/// Notes how the monotonic clock, by which entries end, stands to the time of day: after a start of
/// the machine it begins anew.
pub(crate) fn note_clock(memory: &Memory) {
    memory.store(CLOCK, machine::clock_offset_us() as u64);
}

/// The time of day minus the monotonic clock, in microseconds, as it was noted last; 0 if it never
/// was.
pub(crate) fn noted_clock_us(memory: &Memory) -> i64 {
    memory.load(CLOCK) as i64
}

fn checksum(words: &[u64; COVERED_WORDS]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(MAGIC, u64::from(LAYOUT_VERSION));
    for word in words {
        hasher.write(&word.to_ne_bytes());
    }
    hasher.finish()
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words() -> ([u64; COVERED_WORDS], u64) {
        let words = Header::new(8192, [7; PARAMETERS]).words(Kind::Dictionary);
        (words, checksum(&words))
    }

    fn code_after(change: impl Fn(&mut [u64; COVERED_WORDS])) -> &'static str {
        let (mut words, _) = words();
        change(&mut words);
        let sum = checksum(&words);
        let read = Header::from_words(&words, sum, Kind::Dictionary);
        let read = read.and_then(|header| header.check_place());
        read.map_or_else(|error| error.code(), |_| "fine")
    }

    #[test]
    fn what_was_written_is_read() {
        let (words, sum) = words();
        let header = Header::from_words(&words, sum, Kind::Dictionary).unwrap();
        assert_eq!(header.words(Kind::Dictionary), words);
    }

    #[test]
    fn a_header_from_elsewhere_is_refused_with_the_reason() {
        assert_eq!(code_after(|_| ()), "fine");
        assert_eq!(code_after(|words| words[0] = 1), "wrong_magic");
        assert_eq!(
            code_after(|words| words.iter_mut().for_each(|w| *w = w.swap_bytes())),
            "wrong_machine"
        );
        assert_eq!(code_after(|words| words[1] += 1), "wrong_version");
        assert_eq!(code_after(|words| words[3] += 1), "wrong_machine");
        assert_eq!(code_after(|words| words[4] += 1), "wrong_machine");
        assert_eq!(code_after(|words| words[5] = 1 << 40), "unknown_features");
        assert_eq!(code_after(|words| words[9] += 1), "wrong_pid_namespace");
        assert_eq!(code_after(|words| words[10] += 1), "wrong_boot");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (words, sum) = words();
        for bit in 0..COVERED_WORDS * 64 {
            let mut flipped = words;
            flipped[bit / 64] ^= 1 << (bit % 64);
            assert!(Header::from_words(&flipped, sum, Kind::Dictionary).is_err(), "bit {bit}");
        }
    }
}
