//! Storing, deleting, counting: what changes one entry.
//!
//! A new value is built beside the old one, and one store commits it. Where a change is a single
//! word, the word is replaced in place: a number by a number, the end of an entry that has one. The
//! version goes first then, so that whoever dies in between leaves a version that nobody has used,
//! and the old word: not done.

use super::core::{Core, Key};
use super::draft::{Content, Source};
use super::record::{ENTRY, FLAGS, Record, commit_word, kind, state_of, version_of};
use super::room::{Built, Permit, insist};
use super::shard::{Locked, WRITES};
use super::value::{Incremented, Number, SetOptions, Stored, Value};
use crate::clock::now_us;
use crate::error::{Error, Result};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// When a store takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// Only if no live entry has the key.
    Absent,
    /// Only if a live entry has the key.
    Present,
    /// Only if the live entry has this version.
    Version(u64),
}

/// The moment at which something that lives so long ends; 0 for never.
pub fn end_of(ttl_ms: u64) -> u64 {
    if ttl_ms == 0 { 0 } else { now_us().saturating_add(ttl_ms.saturating_mul(1000)) }
}

/// The entry of a key as an operation finds it, under the lock.
#[derive(Clone, Copy, Debug)]
struct Old<'a> {
    record: Record<'a>,
    link: &'a AtomicU32,
    version: u64,
    is_live: bool,
}

impl<'a> Core<'a> {
    /// Stores a value.
    ///
    /// # Errors
    /// What the condition demands, [`Error::NoMemory`], or a lock that could not be had.
    pub fn store(
        self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        condition: Condition,
    ) -> Result<Stored> {
        let mut shard = self.lock_to_store(key)?;
        if condition == Condition::Always
            && !options.keep_ttl
            && let Some(stored) = shard.overwrite_at_once(key, value, options)
        {
            return Ok(stored);
        }
        Self::store_in_the_end(shard, *key, value, options, condition)
    }

    /// The same in all other cases. The key comes by value, so that the usual way keeps it in
    /// registers.
    #[inline(never)]
    fn store_in_the_end(
        shard: Locked<'a>,
        key: Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        condition: Condition,
    ) -> Result<Stored> {
        let core = shard.core;
        let lock = || core.lock_to_store(&key);
        insist(shard, lock, |shard| shard.store(&key, value, options, condition))
    }

    /// Ends an entry. True if it was live.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn delete(self, key: &Key<'_>) -> Result<bool> {
        let mut shard = self.lock(key.shard)?;
        let Some(old) = shard.old(key) else { return Ok(false) };
        shard.remove(&old.record, old.link);
        shard.count(WRITES, 1);
        Ok(old.is_live)
    }

    /// Lets a live entry end after a time, counted from now; 0 for never.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoMemory`], or a lock that could not be had.
    pub fn expire(self, key: &Key<'_>, ttl_ms: u64) -> Result<()> {
        self.insist(|| self.lock(key.shard), |shard| shard.expire(key, ttl_ms))
    }

    /// Adds to a number. Without an entry it begins with `initial`, if there is one.
    ///
    /// # Errors
    /// [`Error::NotFound`] without an entry and `initial`, [`Error::NotNumber`],
    /// [`Error::Overflow`], [`Error::NoMemory`], or a lock that could not be had.
    #[inline(always)]
    pub fn incr(
        self,
        key: &Key<'_>,
        by: Number,
        initial: Option<Number>,
        options: SetOptions,
    ) -> Result<Incremented> {
        // The usual case needs no room.
        let mut shard = self.lock(key.shard)?;
        if let Some(value) = shard.add_at_once(key, by) {
            return Ok(Incremented { value, forcible: false });
        }
        drop(shard);
        self.incr_in_the_end(*key, by, initial, options)
    }

    /// The same in all other cases. The key comes by value, so that the usual way keeps it in
    /// registers.
    #[inline(never)]
    fn incr_in_the_end(
        self,
        key: Key<'_>,
        by: Number,
        initial: Option<Number>,
        options: SetOptions,
    ) -> Result<Incremented> {
        let lock = || self.lock(key.shard);
        self.insist(lock, |shard| shard.incr(&key, by, initial, options))
    }
}

/// Fails unless the version of the live entry is as the condition wants it.
fn demand(condition: Condition, version: Option<u64>) -> Result<()> {
    match (condition, version) {
        (Condition::Absent, Some(_)) => Err(Error::Exists),
        (Condition::Present | Condition::Version(_), None) => Err(Error::NotFound),
        (Condition::Version(wanted), Some(version)) if wanted != version => {
            Err(Error::Changed { version })
        }
        _ => Ok(()),
    }
}

/// Integers stay integers; with a floating-point number the sum is one.
pub fn sum(a: Number, b: Number) -> Result<Number> {
    let double = |number| match number {
        Number::Integer(value) => value as f64,
        Number::Double(value) => value,
    };
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => {
            a.checked_add(b).map(Number::Integer).ok_or(Error::Overflow)
        }
        _ => Ok(Number::Double(double(a) + double(b))),
    }
}

/// The number that a word of a kind holds.
fn number_of(value_kind: u8, word: u64) -> Number {
    match value_kind {
        kind::INTEGER => Number::Integer(word as i64),
        _ => Number::Double(f64::from_bits(word)),
    }
}

/// The kind and word of a number.
fn number_word(value: Value<'_>) -> Option<(u8, u64)> {
    match value {
        Value::Integer(value) => Some((kind::INTEGER, value as u64)),
        Value::Double(value) => Some((kind::DOUBLE, value.to_bits())),
        _ => None,
    }
}

impl<'a> Locked<'a> {
    /// Stores a value on a condition.
    #[inline(always)]
    fn store(
        &mut self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        condition: Condition,
    ) -> Result<Stored> {
        let old = self.old(key);
        let live = old.filter(|old| old.is_live);
        if let Err(error) = demand(condition, live.map(|old| old.version)) {
            // A refused store is a use, too.
            old.into_iter().for_each(|old| self.touch(old.record.cell));
            return Err(error);
        }
        let expiry_us = match live.filter(|_| options.keep_ttl) {
            Some(live) => live.record.expiry_us(),
            None => end_of(options.ttl_ms),
        };
        if let Some(version) = self.set_number(live, value, options.flags, expiry_us) {
            return Ok(Stored { forcible: false, version });
        }
        let content = Content::new(key, value, options.flags, expiry_us);
        self.put(key, &content, old, !options.never_evict)
    }

    /// Lets a live entry end after a time.
    fn expire(&mut self, key: &Key<'_>, ttl_ms: u64) -> Result<()> {
        let old = self.old(key).filter(|old| old.is_live).ok_or(Error::NotFound)?;
        let expiry_us = end_of(ttl_ms);
        if let Some(place) = old.record.expiry_place() {
            self.set_word(&old.record, place, expiry_us);
            self.note_end(expiry_us);
            return Ok(());
        }
        if expiry_us == 0 {
            return Ok(());
        }
        let stamp = self.core.stamp(old.record.cell);
        let new = self.rewrite(key, old, old.record.shape.kind(), None, expiry_us)?;
        // No use of the entry: it is thrown out when it would have been.
        self.core.set_stamp(new.cell, stamp);
        self.follow_candidate(old.record.cell, new.cell);
        Ok(())
    }

    /// Adds to a number, or begins one.
    fn incr(
        &mut self,
        key: &Key<'_>,
        by: Number,
        initial: Option<Number>,
        options: SetOptions,
    ) -> Result<Incremented> {
        let old = self.old(key);
        if let Some(live) = old.filter(|old| old.is_live) {
            let value = self.add_to(key, live, by)?;
            return Ok(Incremented { value, forcible: false });
        }
        let Some(initial) = initial else {
            old.into_iter().for_each(|old| self.core.touch_dead(self.shard, old.record.cell));
            return Err(Error::NotFound);
        };
        let value = sum(initial, by)?;
        let content = Content::new(key, value.into(), 0, end_of(options.ttl_ms));
        let stored = self.put(key, &content, old, !options.never_evict)?;
        Ok(Incremented { value, forcible: stored.forcible })
    }

    #[inline(always)]
    fn old(&mut self, key: &Key<'_>) -> Option<Old<'a>> {
        let (record, link) = self.find(key)?;
        let version = version_of(record.commit());
        let is_live = !self.is_over(&record, version);
        Some(Old { record, link, version, is_live })
    }

    /// Replaces a number by one of its kind in place, if nothing else changes; the new version.
    fn set_number(
        &mut self,
        live: Option<Old<'a>>,
        value: Value<'_>,
        flags: u32,
        expiry_us: u64,
    ) -> Option<u64> {
        let (value_kind, word) = number_word(value)?;
        let record = live?.record;
        let is_same = record.shape.kind() == value_kind
            && record.half(FLAGS) == flags
            && record.expiry_us() == expiry_us;
        let [place] = record.value_places().filter(|_| is_same)?;
        self.touch(record.cell);
        Some(self.set_word(&record, place, word))
    }

    /// Changes one word of an entry: the version first. Returns the version.
    #[inline(always)]
    pub fn set_word(&mut self, record: &Record<'_>, place: &AtomicU64, word: u64) -> u64 {
        self.open();
        let version = self.next_version();
        record.set_commit(commit_word(version, ENTRY));
        place.store(word, Ordering::Relaxed);
        self.close();
        self.count(WRITES, 1);
        version
    }

    /// Adds to a live number that one short look finds and that stays of its kind.
    #[inline(always)]
    fn add_at_once(&mut self, key: &Key<'_>, by: Number) -> Option<Number> {
        let first = self.core.bucket(self.shard, key.bucket);
        let (record, words, _) = self.core.at_once(key, first)?;
        let commit = record.commit();
        if state_of(commit) != ENTRY || !record.shape.is_number() {
            return None;
        }
        if self.is_over(&record, version_of(commit)) {
            return None;
        }
        self.add_in_place(&record, words.first()?, by)
    }

    /// Adds to a number in its place if it stays of its kind.
    #[inline(always)]
    fn add_in_place(
        &mut self,
        record: &Record<'_>,
        place: &AtomicU64,
        by: Number,
    ) -> Option<Number> {
        let after = sum(number_of(record.shape.kind(), place.load(Ordering::Relaxed)), by).ok()?;
        let (_, word) =
            number_word(after.into()).filter(|(kind, _)| *kind == record.shape.kind())?;
        self.touch(record.cell);
        self.set_word(record, place, word);
        Some(after)
    }

    /// Adds to a live number, which may become one of the other kind.
    fn add_to(&mut self, key: &Key<'_>, live: Old<'a>, by: Number) -> Result<Number> {
        let record = live.record;
        let places = record.value_places().filter(|_| record.shape.is_number());
        if let Some([place]) = places
            && let Some(after) = self.add_in_place(&record, place, by)
        {
            return Ok(after);
        }
        // An attempt that fails is a use, too.
        self.touch(record.cell);
        let [place] = places.ok_or(Error::NotNumber)?;
        let after = sum(number_of(record.shape.kind(), place.load(Ordering::Relaxed)), by)?;
        let (after_kind, word) = number_word(after.into()).ok_or(Error::NotNumber)?;
        self.rewrite(key, live, after_kind, Some(word), record.expiry_us())?;
        Ok(after)
    }

    /// Stores content under a key, in the place of what was there.
    #[inline(always)]
    fn put(
        &mut self,
        key: &Key<'_>,
        content: &Content<'_>,
        old: Option<Old<'a>>,
        evict: bool,
    ) -> Result<Stored> {
        let permit = Permit {
            evict,
            old: old.map(|old| old.record),
            old_is_over: old.is_some_and(|old| !old.is_live),
            may_take_over: true,
        };
        let built = self.build(content, permit)?;
        let old = old.filter(|_| !built.old_is_gone).map(|old| (old.record, old.link));
        let version = self.publish(key, &built, old);
        if let Some((old, _)) = old {
            self.dispose(&old);
        }
        Ok(Stored { forcible: built.forcible, version })
    }

    /// Commits a built entry and links it, in the place of the old one if there is one.
    #[inline(always)]
    pub fn publish(
        &mut self,
        key: &Key<'_>,
        built: &Built<'a>,
        old: Option<(Record<'a>, &'a AtomicU32)>,
    ) -> u64 {
        let old = match old {
            // Making room may have removed the neighbour that led to the old entry.
            Some((old, _)) if built.made_room => {
                self.link_in(key.bucket, old.cell).map(|link| (old, link))
            }
            old => old,
        };
        self.open();
        let version = self.commit(&built.record, ENTRY);
        match old {
            Some((old, link)) => self.replace(&old, link, &built.record),
            None => self.link(key.bucket, &built.record),
        }
        self.close();
        self.touch(built.record.cell);
        self.note_end(built.record.expiry_us());
        self.count(WRITES, 1);
        version
    }

    /// Builds an entry anew with the words it has, but another kind, word or end; the new one. What
    /// a list owns stays.
    fn rewrite(
        &mut self,
        key: &Key<'_>,
        old: Old<'a>,
        new_kind: u8,
        word: Option<u64>,
        expiry_us: u64,
    ) -> Result<Record<'a>> {
        let record = old.record;
        let words = record.value().ok_or(Error::Damaged { what: "an entry" })?;
        let content = Content {
            key: key.bytes,
            tag: key.tag,
            kind: new_kind,
            length: record.length,
            source: match word {
                Some(word) => Source::Words([word, 0, 0], 1),
                None => Source::Record(words, record.value_words()),
            },
            flags: record.half(FLAGS),
            expiry_us,
        };
        let permit =
            Permit { evict: true, old: Some(record), old_is_over: false, may_take_over: false };
        let built = self.build(&content, permit)?;
        self.publish(key, &built, Some((record, old.link)));
        self.release_record(&record);
        Ok(built.record)
    }
}
