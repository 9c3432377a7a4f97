//! The index: for each shard an array of buckets, each the link of a chain of entries.
//!
//! It is derived. Whatever it says is checked: a link that leads nowhere, or a chain that is too
//! long, makes a reader try again or take the lock, and makes the owner of the lock rebuild the
//! index from the cells.

use super::core::{Core, Key};
use super::record::{ENTRY, FREE, NEXT, Record, kind, link_to, state_of};
use super::shard::{LIVE, Locked};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Longest chain that is believed. With one entry to a bucket on average, chains of ten are rare.
const CHAIN_LIMIT: u32 = if cfg!(loom) { 4 } else { 256 };

/// What a walk along a chain has found.
#[derive(Clone, Copy, Debug)]
pub enum Find<'a> {
    /// The entry, and the link that leads to it.
    Found(Record<'a>, &'a AtomicU32),
    /// The chain ends without it.
    Absent,
    /// The chain makes no sense: it was changing, or is damaged.
    Torn,
}

impl<'a> Core<'a> {
    /// Walks the chain of a key. Needs no lock, but then the sequence says whether it counts.
    #[inline(always)]
    pub fn find(self, key: &Key<'_>) -> Find<'a> {
        let mut link = self.bucket(key.shard, key.bucket);
        for _ in 0..CHAIN_LIMIT {
            let Some(cell) = link.load(Ordering::Relaxed).checked_sub(1) else {
                return Find::Absent;
            };
            self.expect_touch(cell);
            let Some(record) = self.record(cell) else { return Find::Torn };
            if record.has_key(key) {
                let is_entry = state_of(record.commit()) == ENTRY;
                return if is_entry { Find::Found(record, link) } else { Find::Torn };
            }
            link = record.next();
        }
        Find::Torn
    }

    /// The record of a key as one look without loops finds it, with the words of its value, if it
    /// lies in one cell and is one of the first two of its bucket; and the link that leads to it.
    /// `first` is the link of the bucket. Whether it counts without the lock, the sequence says.
    #[inline(always)]
    pub fn at_once(
        self,
        key: &Key<'_>,
        first: &'a AtomicU32,
    ) -> Option<(Record<'a>, &'a [AtomicU64], &'a AtomicU32)> {
        let mut link = first;
        let mut record = self.single_cell_at(link.load(Ordering::Relaxed))?;
        if !record.shape.may_have(key) {
            link = record.next();
            record = self.single_cell_at(link.load(Ordering::Relaxed))?;
        }
        Some((record, record.words_behind(key)?, link))
    }
}

impl<'a> Locked<'a> {
    /// The entry of a key and the link that leads to it. Rebuilds a damaged index.
    #[inline(always)]
    pub fn find(&mut self, key: &Key<'_>) -> Option<(Record<'a>, &'a AtomicU32)> {
        match self.core.find(key) {
            Find::Found(record, link) => Some((record, link)),
            Find::Absent => None,
            Find::Torn => self.find_after_repair(key),
        }
    }

    #[cold]
    fn find_after_repair(&mut self, key: &Key<'_>) -> Option<(Record<'a>, &'a AtomicU32)> {
        self.repair();
        match self.core.find(key) {
            Find::Found(record, link) => Some((record, link)),
            Find::Absent | Find::Torn => None,
        }
    }

    /// Puts a committed entry at the beginning of a bucket.
    pub fn link(&mut self, bucket: u32, record: &Record<'_>) {
        let first = self.core.bucket(self.shard, bucket);
        record.set_half(NEXT, first.load(Ordering::Relaxed));
        first.store(link_to(record.cell), Ordering::Relaxed);
        self.count(LIVE, 1);
        crate::fault::point();
    }

    /// Puts a committed entry in the place of an older one of the same key, which ends to exist.
    /// Its cells are still to be given back.
    pub fn replace(&mut self, old: &Record<'_>, link: &AtomicU32, new: &Record<'_>) {
        new.set_half(NEXT, old.half(NEXT));
        link.store(link_to(new.cell), Ordering::Relaxed);
        crate::fault::point();
        old.set_commit(FREE);
    }

    /// Ends an entry: it does not exist from here on. Its cells are still to be given back.
    #[inline(always)]
    pub fn unlink(&mut self, record: &Record<'_>, link: &AtomicU32) {
        record.set_commit(FREE);
        link.store(record.half(NEXT), Ordering::Relaxed);
        self.discount(LIVE, 1);
        crate::fault::point();
    }

    /// Ends an entry and gives back all that it owns, elements of a list included.
    pub fn remove(&mut self, record: &Record<'a>, link: &AtomicU32) {
        self.open();
        self.unlink(record, link);
        self.close();
        self.dispose(record);
    }

    /// Gives back what an entry owns that does not exist any more.
    pub fn dispose(&mut self, record: &Record<'a>) {
        if record.shape.kind() == kind::LIST {
            self.dispose_elements(record);
        }
        self.release_record(record);
    }

    /// The entries of a bucket, with the link that leads to each.
    pub fn bucket(&self, bucket: u32) -> Bucket<'a> {
        let link = self.core.bucket(self.shard, bucket);
        Bucket { core: self.core, link, steps: 0 }
    }
}

/// A walk along one chain, under the lock. An entry may be removed once the walk has gone past it,
/// unless the walk goes on.
#[derive(Debug)]
pub struct Bucket<'a> {
    core: Core<'a>,
    link: &'a AtomicU32,
    steps: u32,
}

impl Bucket<'_> {
    /// True if the walk ended where it should have gone on: the next link leads to nothing.
    pub fn is_torn(&self) -> bool {
        let link = self.link.load(Ordering::Relaxed);
        link != 0 && self.core.record_at(link).is_none()
    }
}

impl<'a> Iterator for Bucket<'a> {
    type Item = (Record<'a>, &'a AtomicU32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.steps == CHAIN_LIMIT {
            return None;
        }
        self.steps += 1;
        let link = self.link;
        let record = self.core.record_at(link.load(Ordering::Relaxed))?;
        self.link = record.next();
        Some((record, link))
    }
}
