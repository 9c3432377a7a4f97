//! Going through a whole dictionary in small steps: enumeration, flushing, sweeping.
//!
//! No step holds a lock for longer than a bucket or a few dozen take. An entry that exists during
//! the whole walk is met exactly once: it never changes its bucket, and a step covers whole
//! buckets.

use super::core::Core;
use super::doomed::WITH_A_STORE;
use super::handle::Dictionary;
use super::record::{FLAGS, version_of};
use super::shard::{FLUSHED, Locked, VERSION};
use crate::error::Result;

/// Buckets that one holding of a lock covers.
const STEP_BUCKETS: u32 = 64;

/// Live entries without the wanted prefix that one step passes over: then it returns, with what it
/// has.
const PASSED_MOST: usize = 1024;

/// Elements of ended lists that one holding of a lock gives back.
const DOOMED_STEP: u64 = 256;

/// A place in a walk; the default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor(u64);

impl Cursor {
    /// As a number that programs can keep; 0 is the beginning.
    pub fn to_number(self) -> u64 {
        self.0
    }

    /// From its number. A number that was never given out leads somewhere, or to the end.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// An entry that a walk has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Vec<u8>,
    /// Its flags.
    pub flags: u32,
    /// Its version.
    pub version: u64,
    /// How long ago it was used, in no unit; larger is longer. Comparable within a step, and in a
    /// dictionary of up to a mebibyte exactly in order of use.
    pub age: u32,
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired entries given back.
    pub freed: u64,
    /// Where the next one begins; `None` after the last bucket.
    pub next: Option<Cursor>,
}

impl Dictionary {
    /// As [`items`](Self::items), of entries alone whose key begins with a prefix. Where few do, a
    /// step may return fewer than `wanted`, or none, with a cursor to go on from: it ends after
    /// some thousand others.
    ///
    /// ```
    /// use moonhive_shm::{Cursor, Dictionary, Options, SetOptions};
    ///
    /// # fn main() -> Result<(), moonhive_shm::Error> {
    /// let dictionary = Dictionary::create_unnamed("users", &Options::new(1 << 20))?;
    /// for key in ["user:1", "user:2", "visits"] {
    ///     dictionary.set(key, 1.into(), SetOptions::default())?;
    /// }
    /// let (mut keys, mut next) = (Vec::new(), Some(Cursor::default()));
    /// while let Some(cursor) = next {
    ///     let (items, then) = dictionary.items_with_prefix("user:", cursor, 100)?;
    ///     keys.extend(items.into_iter().map(|item| item.key));
    ///     next = then;
    /// }
    /// keys.sort();
    /// assert_eq!(keys, [b"user:1", b"user:2"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn items_with_prefix(
        &self,
        prefix: impl AsRef<[u8]>,
        cursor: Cursor,
        wanted: usize,
    ) -> Result<(Vec<Item>, Option<Cursor>)> {
        self.core().items(prefix.as_ref(), cursor, wanted)
    }
}

impl<'a> Core<'a> {
    fn bucket_count(&self) -> u64 {
        u64::from(self.geometry.shards) * u64::from(self.geometry.buckets)
    }

    /// Visits the shards' buckets from a cursor on, a few per lock, until `visit` has enough or the
    /// end is reached; where to go on.
    pub(super) fn walk_buckets(
        self,
        cursor: Cursor,
        mut visit: impl FnMut(&mut Locked<'a>, u32) -> bool,
    ) -> Result<Option<Cursor>> {
        let mut at = cursor.0;
        while at < self.bucket_count() {
            let shard = (at / u64::from(self.geometry.buckets)) as u32;
            let mut locked = self.lock(shard)?;
            for _ in 0..STEP_BUCKETS {
                let bucket = (at % u64::from(self.geometry.buckets)) as u32;
                let has_enough = visit(&mut locked, bucket);
                at += 1;
                let is_at_end = at == self.bucket_count();
                if has_enough || is_at_end {
                    return Ok((!is_at_end).then_some(Cursor(at)));
                }
                if at.is_multiple_of(u64::from(self.geometry.buckets)) {
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Live entries whose key begins with a prefix, from a cursor on: at least `wanted` unless the
    /// end is reached or many others are passed over, at most a bucket more.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn items(
        self,
        prefix: &[u8],
        cursor: Cursor,
        wanted: usize,
    ) -> Result<(Vec<Item>, Option<Cursor>)> {
        let (mut items, mut key, mut passed) = (Vec::new(), Vec::new(), 0);
        let next = self.walk_buckets(cursor, |shard, bucket| {
            for (record, _) in shard.bucket(bucket) {
                let version = version_of(record.commit());
                if shard.is_over(&record, version) || !record.read_key(&mut key) {
                    continue;
                }
                if !key.starts_with(prefix) {
                    passed += 1;
                    continue;
                }
                let flags = record.half(FLAGS);
                let age = self.age(self.recency(shard.shard), self.stamp(record.cell));
                items.push(Item { key: std::mem::take(&mut key), flags, version, age });
            }
            items.len() >= wanted || passed >= PASSED_MOST
        })?;
        Ok((items, next))
    }

    /// Gives back expired entries of at most `buckets` buckets from a cursor on, and at most `most`
    /// entries.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn sweep(self, cursor: Cursor, buckets: u64, most: u64) -> Result<Swept> {
        let mut freed = 0;
        let mut left = buckets;
        let next = self.walk_buckets(cursor, |shard, bucket| {
            shard.reclaim_doomed(WITH_A_STORE);
            freed += shard.sweep_bucket(bucket, None, most - freed);
            left = left.saturating_sub(1);
            left == 0 || freed >= most
        })?;
        Ok(Swept { freed, next })
    }

    /// Gives back what lists that have ended still take, a few elements per lock.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn sweep_doomed(self) -> Result<()> {
        for shard in 0..self.geometry.shards {
            while self.lock(shard)?.reclaim_doomed(DOOMED_STEP) == DOOMED_STEP {}
        }
        Ok(())
    }

    /// Ends every entry that exists now, at once; what they take is given back later.
    ///
    /// # Errors
    /// A lock that could not be had; the shards before it are flushed.
    pub fn flush(self) -> Result<()> {
        for shard in 0..self.geometry.shards {
            let mut locked = self.lock(shard)?;
            locked.open();
            locked.forget_ends();
            locked.set_field(FLUSHED, locked.field(VERSION));
            locked.close();
            locked.forget_hints();
        }
        Ok(())
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::{Options, SetOptions};

    #[test]
    fn a_prefix_finds_its_keys_once_each_in_bounded_steps() {
        let dictionary = Dictionary::create_unnamed("prefix", &Options::new(4 << 20)).unwrap();
        let set = |key: String| {
            dictionary.set(key, 1.into(), SetOptions::default()).unwrap();
        };
        (0..10_000).for_each(|number| set(format!("other:{number}")));
        (0..20).for_each(|number| set(format!("user:{number}")));
        let (mut keys, mut steps, mut next) = (Vec::new(), 0, Some(Cursor::default()));
        while let Some(cursor) = next {
            let (items, then) = dictionary.items_with_prefix("user:", cursor, 100).unwrap();
            keys.extend(items.into_iter().map(|item| String::from_utf8(item.key).unwrap()));
            (steps, next) = (steps + 1, then);
        }
        assert!((9..=10).contains(&steps), "{steps} steps over 10,000 others");
        keys.sort();
        let mut expected = Vec::from_iter((0..20).map(|number| format!("user:{number}")));
        expected.sort();
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_prefix_may_be_a_whole_key_longer_than_all_or_nothing() {
        let dictionary = Dictionary::create_unnamed("prefix", &Options::new(64 << 10)).unwrap();
        dictionary.set("user", 1.into(), SetOptions::default()).unwrap();
        let count = |prefix: &[u8]| {
            let found = dictionary.items_with_prefix(prefix, Cursor::default(), 10).unwrap();
            found.0.len()
        };
        assert_eq!(
            [count(b""), count(b"user"), count(b"users"), count(&[0; 70_000])],
            [1, 1, 0, 0]
        );
    }
}
