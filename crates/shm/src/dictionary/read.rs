//! Reading without the lock.
//!
//! The protocol: note the sequence of the shard, which must be even; walk and copy with relaxed
//! atomics, believing nothing; then see whether the sequence is still the same. If it is, no entry
//! of the shard was linked, unlinked or given back meanwhile, so what was copied was an entry all
//! the time. If the sequence keeps changing, or stays odd because its writer died, the lock
//! decides, and repairs.
//!
//! A cell that was given back may be filled by another shard at once. Its writer claimed it after
//! it was given back, and a release fence after the claim orders what he writes behind the odd
//! sequence of our shard: a reader who has seen a word of his sees a changed sequence, too.
//!
//! A random key of a million costs three cache misses, two of them one after the other. A reader
//! writes nothing but, once per epoch, the stamp of the entry, and his thread's own stripe of the
//! statistics.

use super::core::{Core, Key};
use super::geometry::SHARD_BYTES;
use super::index::Find;
use super::record::{ENTRY, FLAGS, Record, kind, state_of, version_of};
use super::shard::{FLUSHED, Locked, RECENCY, SEQUENCE};
use super::statistics::Counter;
use super::value::{Entry, Remaining, Value};
use crate::clock::now_us;
use crate::error::{Error, Result};
use crate::memory::Window;
use crate::sync::{AtomicU64, Ordering, fence, spin};

/// Attempts without the lock.
const TRIES: u32 = if cfg!(loom) { 2 } else { 64 };

/// Largest value that is copied without the lock: longer copies meet a writer too often.
const COPY_LIMIT_BYTES: u32 = 1024;

/// What a look at an entry has yielded; the bytes of a value lie at the beginning of the buffer.
#[derive(Clone, Copy, Debug)]
struct Seen {
    cell: u32,
    kind: u8,
    is_stale: bool,
    word: u64,
    length: u32,
    flags: u32,
    version: u64,
}

impl Seen {
    #[inline(always)]
    fn entry(self, buffer: &[u8]) -> Entry<'_> {
        let Seen { flags, version, is_stale, .. } = self;
        let value = if self.kind == kind::BYTES {
            Value::Bytes(&buffer[..self.length as usize])
        } else if self.kind == kind::TABLE {
            Value::Table(&buffer[..self.length as usize])
        } else {
            decode(self.kind, self.word, &[])
        };
        Entry { value, flags, version, is_stale }
    }
}

/// The outcome of one attempt.
enum Attempt<T> {
    /// It counts: the sequence was unchanged.
    Done(T),
    /// Something was changing.
    Again,
    /// Nonsense, or too much to copy without the lock.
    Lock,
}

impl<'a> Core<'a> {
    /// One look at the shard of a key without its lock. The look must be harmless whatever it
    /// meets, and yields nothing for what it cannot believe.
    #[inline(always)]
    fn attempt<T>(
        self,
        key: &Key<'_>,
        fields: Window<'a, SHARD_BYTES>,
        look: impl FnOnce(Option<Record<'a>>) -> Option<T>,
    ) -> Attempt<T> {
        let sequence = fields.word(SEQUENCE);
        let before = sequence.load(Ordering::Acquire);
        if before & 1 == 1 {
            return Attempt::Again;
        }
        let found = match self.find(key) {
            Find::Found(record, _) => Some(Some(record)),
            Find::Absent => Some(None),
            Find::Torn => None,
        };
        // In one place, so that the look becomes a part of this.
        let outcome = found.and_then(look);
        fence(Ordering::Acquire);
        if sequence.load(Ordering::Relaxed) != before {
            return Attempt::Again;
        }
        outcome.map_or(Attempt::Lock, Attempt::Done)
    }

    /// Runs a look at the shard of a key without its lock, or with it if need be; the look is told
    /// which.
    #[inline(always)]
    fn look<T>(
        self,
        key: &Key<'_>,
        mut look: impl FnMut(Option<Record<'a>>, bool) -> Option<T>,
    ) -> Result<Option<T>> {
        let fields = self.fields_of(key.shard);
        for _ in 0..TRIES {
            match self.attempt(key, fields, |record| look(record, false)) {
                Attempt::Done(outcome) => return Ok(Some(outcome)),
                Attempt::Again => spin(),
                Attempt::Lock => break,
            }
        }
        let mut locked = self.lock(key.shard)?;
        let found = locked.find(key).map(|(record, _)| record);
        let outcome = look(found, true);
        if outcome.is_none() {
            // Its key is there but its value is not: only damage does that.
            locked.repair();
        }
        Ok(outcome)
    }

    /// True if the time of an entry is over: it has expired, or was flushed.
    #[inline(always)]
    pub fn is_over(self, shard: u32, record: &Record<'_>, version: u64) -> bool {
        is_over(self.fields_of(shard).load(FLUSHED), record, version)
    }

    /// Looks at one record; the bytes of its value go to the beginning of the buffer.
    #[inline(always)]
    fn see(
        fields: Window<'a, SHARD_BYTES>,
        record: Record<'a>,
        has_lock: bool,
        buffer: &mut Vec<u8>,
    ) -> Option<Seen> {
        let version = version_of(record.commit());
        let (kind, mut word) = (record.shape.kind(), 0);
        if matches!(kind, kind::BYTES | kind::TABLE) {
            if record.length > COPY_LIMIT_BYTES && !has_lock {
                return None;
            }
            record.copy_value(buffer).then_some(())?;
        } else if record.shape.is_number() {
            let [place] = record.value_places()?;
            word = place.load(Ordering::Relaxed);
        } else if !matches!(kind, kind::NIL | kind::FALSE | kind::TRUE | kind::LIST) {
            return None;
        }
        Some(Seen {
            cell: record.cell,
            kind,
            is_stale: is_over(fields.load(FLUSHED), &record, version),
            word,
            length: record.length,
            flags: record.half(FLAGS),
            version,
        })
    }

    /// True if a record is a live entry, and nothing was changing since the sequence was this.
    #[inline(always)]
    fn is_sure(
        fields: Window<'a, SHARD_BYTES>,
        before: u64,
        record: &Record<'a>,
        commit: u64,
    ) -> bool {
        let is_live = state_of(commit) == ENTRY
            && version_of(commit) > fields.load(FLUSHED)
            && (!record.shape.expires() || !has_passed(record.expiry_us()));
        is_live && Self::is_unchanged(fields, before)
    }

    #[inline(always)]
    fn is_unchanged(fields: Window<'a, SHARD_BYTES>, before: u64) -> bool {
        fence(Ordering::Acquire);
        fields.word(SEQUENCE).load(Ordering::Relaxed) == before && before & 1 == 0
    }

    /// The entry of a key, live or not.
    ///
    /// The usual ones, live and in one cell, are found here. That this is short matters: where keys
    /// are not in the cache, the processor fetches what the next read needs meanwhile, but only if
    /// the instructions up to there, some 250, fit into its window. So every case comes to its end
    /// at once.
    ///
    /// # Errors
    /// [`Error::ValueIsList`], or a lock that could not be had.
    #[inline(always)]
    pub fn read<'b>(
        self,
        key: &Key<'_>,
        wants_stale: bool,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Entry<'b>>> {
        let fields = self.fields_of(key.shard);
        let before = fields.word(SEQUENCE).load(Ordering::Acquire);
        let first = self.bucket(key.shard, key.bucket);
        if let Some((record, words, _)) = self.at_once(key, first) {
            let (kind, commit) = (record.shape.kind(), record.commit());
            let (flags, version) = (record.half(FLAGS), version_of(commit));
            if matches!(kind, kind::BYTES | kind::TABLE) {
                let length = record.length as usize;
                let is_whole = copy_words(words, buffer, length.div_ceil(8));
                if is_whole && Self::is_sure(fields, before, &record, commit) {
                    self.note_hit(fields, &record);
                    let bytes = &buffer[..length];
                    let is_table = kind == kind::TABLE;
                    let value = if is_table { Value::Table(bytes) } else { Value::Bytes(bytes) };
                    return Ok(Some(Entry { value, flags, version, is_stale: false }));
                }
            } else if record.shape.is_number() && !words.is_empty() {
                let word = words[0].load(Ordering::Relaxed);
                if Self::is_sure(fields, before, &record, commit) {
                    self.note_hit(fields, &record);
                    let value = decode(kind, word, &[]);
                    return Ok(Some(Entry { value, flags, version, is_stale: false }));
                }
            }
        }
        if first.load(Ordering::Relaxed) == 0 && Self::is_unchanged(fields, before) {
            self.tally(Counter::Miss);
            return Ok(None);
        }
        self.read_in_the_end(*key, wants_stale, buffer)
    }

    #[inline(always)]
    fn note_hit(self, fields: Window<'a, SHARD_BYTES>, record: &Record<'a>) {
        self.touch_at(fields.half(RECENCY), record.cell);
        self.tally(Counter::Hit);
    }

    /// The same for all other entries. The key comes by value, so that the usual way keeps it in
    /// registers.
    #[inline(never)]
    fn read_in_the_end<'b>(
        self,
        key: Key<'_>,
        wants_stale: bool,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Entry<'b>>> {
        let fields = self.fields_of(key.shard);
        let seen = self.look(&key, |record, has_lock| match record {
            None => Some(None),
            Some(record) => Self::see(fields, record, has_lock, buffer).map(Some),
        })?;
        let Some(seen) = seen.flatten() else {
            self.tally(Counter::Miss);
            return Ok(None);
        };
        if seen.is_stale {
            return self.read_stale(key.shard, seen, wants_stale, buffer);
        }
        self.touch_at(fields.half(RECENCY), seen.cell);
        if seen.kind == kind::LIST {
            return Err(Error::ValueIsList);
        }
        self.tally(Counter::Hit);
        Ok(Some(seen.entry(buffer)))
    }

    #[cold]
    fn read_stale<'b>(
        self,
        shard: u32,
        seen: Seen,
        is_wanted: bool,
        buffer: &'b [u8],
    ) -> Result<Option<Entry<'b>>> {
        self.touch_dead(shard, seen.cell);
        if is_wanted && seen.kind == kind::LIST {
            return Err(Error::ValueIsList);
        }
        self.tally(Counter::Miss);
        Ok(is_wanted.then(|| seen.entry(buffer)))
    }

    /// The version of a live entry of any kind; `None` if there is none.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn version(self, key: &Key<'_>) -> Result<Option<u64>> {
        let version = self.look(key, |record, _| {
            Some(record.and_then(|record| {
                let version = version_of(record.commit());
                (!self.is_over(key.shard, &record, version)).then_some(version)
            }))
        })?;
        Ok(version.flatten())
    }

    /// How long an entry still lives.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not, or a lock that could not be had.
    pub fn remaining(self, key: &Key<'_>) -> Result<Remaining> {
        let found = self.look(key, |record, _| {
            Some(record.map(|record| {
                let version = version_of(record.commit());
                (self.is_over(key.shard, &record, version), record.expiry_us())
            }))
        })?;
        match found.flatten() {
            Some((false, 0)) => Ok(Remaining::Forever),
            // Between the check and here a microsecond may pass.
            Some((false, expiry_us)) => {
                Ok(Remaining::Us(expiry_us.saturating_sub(now_us()).max(1)))
            }
            Some((true, _)) | None => Err(Error::NotFound),
        }
    }
}

/// Copies the first words to the beginning of a buffer that has room for them, of words that are so
/// many.
#[inline(always)]
fn copy_words(words: &[AtomicU64], buffer: &mut [u8], count: usize) -> bool {
    let room = buffer.as_chunks_mut::<8>().0;
    if count > words.len() || count > room.len() {
        return false;
    }
    for index in 0..count {
        room[index] = words[index].load(Ordering::Relaxed).to_le_bytes();
    }
    true
}

/// True if the time of an entry is over, where everything up to `flushed` is.
#[inline(always)]
fn is_over(flushed: u64, record: &Record<'_>, version: u64) -> bool {
    if version <= flushed {
        return true;
    }
    let expiry_us = record.expiry_us();
    expiry_us != 0 && has_passed(expiry_us)
}

/// Out of the way of entries that do not expire.
#[inline(never)]
fn has_passed(moment_us: u64) -> bool {
    now_us() >= moment_us
}

impl Locked<'_> {
    /// True if the time of an entry is over: it has expired, or was flushed.
    #[inline(always)]
    pub fn is_over(&self, record: &Record<'_>, version: u64) -> bool {
        is_over(self.field(FLUSHED), record, version)
    }
}

/// The value of a kind, from its word or the buffer.
#[inline]
pub fn decode(value_kind: u8, word: u64, buffer: &[u8]) -> Value<'_> {
    match value_kind {
        kind::FALSE => Value::Boolean(false),
        kind::TRUE => Value::Boolean(true),
        kind::INTEGER => Value::Integer(word as i64),
        kind::DOUBLE => Value::Double(f64::from_bits(word)),
        kind::BYTES => Value::Bytes(buffer),
        kind::TABLE => Value::Table(buffer),
        _ => Value::Nil,
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use crate::{Dictionary, Options, Remaining, SetOptions, Value};

    fn dictionary(size_bytes: u64) -> Dictionary {
        Dictionary::create_unnamed("reads", &Options::new(size_bytes)).unwrap()
    }

    /// Options with an end in an hour, or with none.
    fn options(has_end: bool) -> SetOptions {
        SetOptions::default().flags(7).ttl_ms(if has_end { 3_600_000 } else { 0 })
    }

    #[test]
    fn values_of_every_size_around_a_cell_come_back_under_keys_of_every_length() {
        for (size_bytes, has_end) in [(1 << 20, false), (1 << 20, true), (2 << 20, false)] {
            let dictionary = dictionary(size_bytes);
            let mut buffer = Vec::new();
            for key_length in 1..=48 {
                let key = vec![key_length as u8; key_length];
                for length in 0..=72 {
                    let value = Vec::from_iter((0..length).map(|at| at as u8 ^ key_length as u8));
                    let store = [Value::Bytes(&value), Value::Table(&value)][length % 2];
                    let stored = dictionary.set(&key, store, options(has_end)).unwrap();
                    let entry = dictionary.get_into(&key, &mut buffer).unwrap().unwrap();
                    assert_eq!(entry.value, store, "{key_length}, {length}");
                    assert_eq!((entry.flags, entry.version), (7, stored.version));
                    assert!(!entry.is_stale);
                }
            }
        }
    }

    #[test]
    fn numbers_and_counters_work_under_keys_of_every_length() {
        for (size_bytes, has_end) in [(1 << 20, false), (1 << 20, true), (2 << 20, true)] {
            let dictionary = dictionary(size_bytes);
            let mut buffer = Vec::new();
            for key_length in 1..=80 {
                let key = vec![key_length as u8; key_length];
                let number = key_length as i64;
                dictionary.set(&key, number.into(), options(has_end)).unwrap();
                for by in [1, -3] {
                    dictionary.incr(&key, by.into(), None, SetOptions::default()).unwrap();
                }
                let entry = dictionary.get_into(&key, &mut buffer).unwrap().unwrap();
                assert_eq!((entry.value, entry.flags), (Value::Integer(number - 2), 7));
                let endless = dictionary.ttl(&key).unwrap() == Remaining::Forever;
                assert_eq!(endless, !has_end);
                dictionary.incr(&key, 0.5.into(), None, SetOptions::default()).unwrap();
                let entry = dictionary.get_into(&key, &mut buffer).unwrap().unwrap();
                assert_eq!(entry.value, Value::Double(number as f64 - 1.5));
            }
        }
    }

    #[test]
    fn a_buffer_that_held_more_yields_the_value_alone() {
        let dictionary = dictionary(1 << 20);
        let set = |key, value| dictionary.set(key, value, SetOptions::default()).unwrap();
        set("long", Value::Bytes(&[1; 500]));
        set("short", Value::Bytes(b"three"));
        set("empty", Value::Bytes(b""));
        let mut buffer = Vec::new();
        for (key, expected) in [("long", &[1; 500][..]), ("short", b"three"), ("empty", b"")] {
            let entry = dictionary.get_into(key, &mut buffer).unwrap().unwrap();
            assert_eq!(entry.value, Value::Bytes(expected));
        }
    }

    #[test]
    fn keys_at_the_end_of_long_chains_are_found_and_others_are_not() {
        let dictionary = dictionary(2 << 20);
        for number in 0..30_000_i64 {
            dictionary.set(number.to_le_bytes(), number.into(), options(false)).unwrap();
        }
        let mut buffer = Vec::new();
        for number in 0..60_000_i64 {
            let entry = dictionary.get_into(number.to_le_bytes(), &mut buffer).unwrap();
            let expected = (number < 30_000).then_some(Value::Integer(number));
            assert_eq!(entry.map(|entry| entry.value), expected);
        }
        let figures = dictionary.statistics();
        assert_eq!((figures.hits, figures.misses), (30_000, 30_000));
    }

    #[test]
    fn what_was_flushed_or_has_ended_is_not_read() {
        for size_bytes in [1 << 20, 2 << 20] {
            let dictionary = dictionary(size_bytes);
            let ends_soon = SetOptions::default().ttl_ms(1);
            dictionary.set("ends", Value::Bytes(b"soon"), ends_soon).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(3));
            let mut buffer = Vec::new();
            assert_eq!(dictionary.get_into("ends", &mut buffer), Ok(None));
            assert!(dictionary.get_stale("ends", &mut buffer).unwrap().unwrap().is_stale);
            dictionary.set("stays", 1.into(), SetOptions::default()).unwrap();
            dictionary.flush_all().unwrap();
            assert_eq!(dictionary.get_into("stays", &mut buffer), Ok(None));
            let begun = dictionary.incr("stays", 1.into(), Some(5.into()), SetOptions::default());
            assert_eq!(begun.unwrap().value, 6.into());
        }
    }
}
