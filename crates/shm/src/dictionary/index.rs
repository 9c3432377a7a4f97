//! The index: for each shard an array of buckets, each the link of a chain of entries.
//!
//! It is derived. Whatever it says is checked: a link that leads nowhere, or a chain that is too long,
//! makes a reader try again or take the lock, and makes the owner of the lock rebuild the index from
//! the cells.

use super::core::{Core, Key};
use super::record::{ENTRY, FREE, NEXT, Record, kind, link_to, state_of};
use super::shard::{LIVE, Locked};

/// Longest chain that is believed. With one entry to a bucket on average, chains of ten are rare.
const CHAIN_LIMIT: u32 = if cfg!(loom) { 4 } else { 256 };

/// What a walk along a chain has found.
#[derive(Clone, Copy, Debug)]
pub enum Find<'a> {
    /// The entry, and the offset of the link that leads to it.
    Found(Record<'a>, usize),
    /// The chain ends without it.
    Absent,
    /// The chain makes no sense: it was changing, or is damaged.
    Torn,
}

impl<'a> Core<'a> {
    /// Walks the chain of a key. Needs no lock, but then the sequence says whether it counts.
    #[inline(always)]
    pub fn find(self, key: &Key<'_>) -> Find<'a> {
        let mut link_at = self.geometry.bucket_at(key.shard, key.bucket);
        for _ in 0..CHAIN_LIMIT {
            let link = self.memory.load_half(link_at);
            if link == 0 {
                return Find::Absent;
            }
            self.expect_touch(link - 1);
            let Some(record) = self.record_at(link) else { return Find::Torn };
            if record.has_key(key) {
                let is_entry = state_of(record.commit()) == ENTRY;
                return if is_entry { Find::Found(record, link_at) } else { Find::Torn };
            }
            link_at = record.at(NEXT);
        }
        Find::Torn
    }
}

impl<'a> Locked<'a> {
    /// The entry of a key and the link that leads to it. Rebuilds a damaged index.
    #[inline(always)]
    pub fn find(&mut self, key: &Key<'_>) -> Option<(Record<'a>, usize)> {
        match self.core.find(key) {
            Find::Found(record, link_at) => Some((record, link_at)),
            Find::Absent => None,
            Find::Torn => self.find_after_repair(key),
        }
    }

    #[cold]
    fn find_after_repair(&mut self, key: &Key<'_>) -> Option<(Record<'a>, usize)> {
        self.repair();
        match self.core.find(key) {
            Find::Found(record, link_at) => Some((record, link_at)),
            Find::Absent | Find::Torn => None,
        }
    }

    /// Puts a committed entry at the beginning of a bucket.
    pub fn link(&mut self, bucket: u32, record: &Record<'_>) {
        let bucket_at = self.core.geometry.bucket_at(self.shard, bucket);
        record.set_half(NEXT, self.core.memory.load_half(bucket_at));
        self.core.memory.store_half(bucket_at, link_to(record.cell));
        self.count(LIVE, 1);
        crate::fault::point();
    }

    /// Puts a committed entry in the place of an older one of the same key, which ends to exist.
    /// Its cells are still to be given back.
    pub fn replace(&mut self, old: &Record<'_>, link_at: usize, new: &Record<'_>) {
        new.set_half(NEXT, old.half(NEXT));
        self.core.memory.store_half(link_at, link_to(new.cell));
        crate::fault::point();
        old.set_commit(FREE);
    }

    /// Ends an entry: it does not exist from here on. Its cells are still to be given back.
    #[inline(always)]
    pub fn unlink(&mut self, record: &Record<'_>, link_at: usize) {
        record.set_commit(FREE);
        self.core.memory.store_half(link_at, record.half(NEXT));
        self.discount(LIVE, 1);
        crate::fault::point();
    }

    /// Ends an entry and gives back all that it owns, elements of a list included.
    pub fn remove(&mut self, record: &Record<'a>, link_at: usize) {
        self.open();
        self.unlink(record, link_at);
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

    /// The entries of a bucket, with the offset of the link that leads to each.
    pub fn bucket(&self, bucket: u32) -> Bucket<'a> {
        let link_at = self.core.geometry.bucket_at(self.shard, bucket);
        Bucket { core: self.core, link_at, steps: 0 }
    }
}

/// A walk along one chain, under the lock. An entry may be removed once the walk has gone past it,
/// unless the walk goes on.
#[derive(Debug)]
pub struct Bucket<'a> {
    core: Core<'a>,
    link_at: usize,
    steps: u32,
}

impl Bucket<'_> {
    /// True if the walk ended where it should have gone on: the next link leads to nothing.
    pub fn is_torn(&self) -> bool {
        let link = self.core.memory.load_half(self.link_at);
        link != 0 && self.core.record_at(link).is_none()
    }
}

impl<'a> Iterator for Bucket<'a> {
    type Item = (Record<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.steps == CHAIN_LIMIT {
            return None;
        }
        self.steps += 1;
        let link_at = self.link_at;
        let record = self.core.record_at(self.core.memory.load_half(link_at))?;
        self.link_at = record.at(NEXT);
        Some((record, link_at))
    }
}
