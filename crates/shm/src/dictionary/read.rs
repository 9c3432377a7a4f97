//! Reading without the lock.
//!
//! The protocol: note the sequence of the shard, which must be even; walk and copy with relaxed atomics,
//! believing nothing; then see whether the sequence is still the same. If it is, no entry of the shard
//! was linked, unlinked or given back meanwhile, so what was copied was an entry all the time. If the
//! sequence keeps changing, or stays odd because its writer died, the lock decides, and repairs.
//!
//! A cell that was given back may be filled by another shard at once. Its writer claimed it after it was
//! given back, and a release fence after the claim orders what he writes behind the odd sequence of
//! our shard: a reader who has seen a word of his sees a changed sequence, too.
//!
//! A random key of a million costs three cache misses, two of them one after the other. A reader writes nothing but, once per
//! epoch, the stamp of the entry, and his thread's own stripe of the statistics.

use super::core::{Core, Key};
use super::index::Find;
use super::record::{Record, kind, version_of};
use super::shard::{FLUSHED, Locked, SEQUENCE};
use super::statistics::Counter;
use super::value::{Entry, Remaining, Value};
use crate::clock::now_us;
use crate::error::{Error, Result};
use crate::sync::{Ordering, fence, spin};

/// Attempts without the lock.
const TRIES: u32 = if cfg!(loom) { 2 } else { 64 };

/// Largest value that is copied without the lock: longer copies meet a writer too often.
const COPY_LIMIT_BYTES: u32 = 1024;

/// What a look at an entry has yielded; the bytes of a value lie in the buffer.
#[derive(Clone, Copy, Debug)]
struct Seen {
    cell: u32,
    kind: u8,
    word: u64,
    flags: u32,
    version: u64,
    is_stale: bool,
}

impl Seen {
    #[inline(always)]
    fn entry(self, buffer: &[u8]) -> Entry<'_> {
        let Seen { flags, version, is_stale, .. } = self;
        Entry { value: decode(self.kind, self.word, buffer), flags, version, is_stale }
    }
}

/// The outcome of one attempt.
enum Attempt<T> {
    /// It counts if the sequence is unchanged.
    Done(T),
    /// Nonsense, or too much to copy without the lock.
    Lock,
}

impl<'a> Core<'a> {
    /// Runs a look at the shard of a key without its lock, or with it if need be. The look must be
    /// harmless whatever it meets.
    #[inline(always)]
    fn look<T>(
        self,
        key: &Key<'_>,
        mut look: impl FnMut(Option<Record<'a>>, bool) -> Attempt<T>,
    ) -> Result<Option<T>> {
        let sequence = self.fields_of(key.shard).word(SEQUENCE);
        for _ in 0..TRIES {
            let before = sequence.load(Ordering::Acquire);
            if before & 1 == 1 {
                spin();
                continue;
            }
            let attempt = match self.find(key) {
                Find::Found(record, _) => look(Some(record), false),
                Find::Absent => look(None, false),
                Find::Torn => Attempt::Lock,
            };
            fence(Ordering::Acquire);
            if sequence.load(Ordering::Relaxed) == before {
                match attempt {
                    Attempt::Done(outcome) => return Ok(Some(outcome)),
                    Attempt::Lock => break,
                }
            }
        }
        let mut locked = self.lock(key.shard)?;
        let found = locked.find(key).map(|(record, _)| record);
        match look(found, true) {
            Attempt::Done(outcome) => Ok(Some(outcome)),
            Attempt::Lock => {
                // Its key is there but its value is not: only damage does that.
                locked.repair();
                Ok(None)
            }
        }
    }

    /// True if the time of an entry is over: it has expired, or was flushed.
    #[inline(always)]
    pub fn is_over(self, shard: u32, record: &Record<'_>, version: u64) -> bool {
        is_over(self.fields_of(shard).load(FLUSHED), record, version)
    }

    /// Looks at one record; the bytes of its value go into the buffer.
    #[inline(always)]
    fn see(
        self,
        shard: u32,
        record: Record<'a>,
        has_lock: bool,
        buffer: &mut Vec<u8>,
    ) -> Option<Seen> {
        let version = version_of(record.commit());
        let mut word = 0;
        match record.shape.kind() {
            kind::INTEGER | kind::DOUBLE => {
                let [place] = record.value_places()?;
                word = place.load(Ordering::Relaxed);
            }
            kind::BYTES | kind::TABLE => {
                if record.length > COPY_LIMIT_BYTES && !has_lock {
                    return None;
                }
                record.read_value(buffer).then_some(())?;
            }
            kind::NIL | kind::FALSE | kind::TRUE | kind::LIST => (),
            _ => return None,
        }
        let is_stale = self.is_over(shard, &record, version);
        let flags = record.half(super::record::FLAGS);
        Some(Seen { cell: record.cell, kind: record.shape.kind(), word, flags, version, is_stale })
    }

    #[inline(always)]
    fn seen(self, key: &Key<'_>, buffer: &mut Vec<u8>) -> Result<Option<Seen>> {
        let seen = self.look(key, |record, has_lock| match record {
            None => Attempt::Done(None),
            Some(record) => match self.see(key.shard, record, has_lock, buffer) {
                Some(seen) => Attempt::Done(Some(seen)),
                None => Attempt::Lock,
            },
        })?;
        Ok(seen.flatten())
    }

    /// The entry of a key, live or not.
    ///
    /// # Errors
    /// [`Error::ValueIsList`], or a lock that could not be had.
    #[inline]
    pub fn read<'b>(
        self,
        key: &Key<'_>,
        wants_stale: bool,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Entry<'b>>> {
        let Some(seen) = self.seen(key, buffer)? else {
            self.tally(Counter::Miss);
            return Ok(None);
        };
        if seen.is_stale {
            return self.read_stale(key, seen, wants_stale, buffer);
        }
        self.touch(key.shard, seen.cell);
        if seen.kind == kind::LIST {
            return Err(Error::ValueIsList);
        }
        self.tally(Counter::Hit);
        Ok(Some(seen.entry(buffer)))
    }

    #[cold]
    fn read_stale<'b>(
        self,
        key: &Key<'_>,
        seen: Seen,
        is_wanted: bool,
        buffer: &'b [u8],
    ) -> Result<Option<Entry<'b>>> {
        self.touch_dead(key.shard, seen.cell);
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
            Attempt::Done(record.and_then(|record| {
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
            Attempt::Done(record.map(|record| {
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

/// True if the time of an entry is over, where everything up to `flushed` is.
#[inline(always)]
fn is_over(flushed: u64, record: &Record<'_>, version: u64) -> bool {
    if version <= flushed {
        return true;
    }
    let expiry_us = record.expiry_us();
    expiry_us != 0 && now_us() >= expiry_us
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
