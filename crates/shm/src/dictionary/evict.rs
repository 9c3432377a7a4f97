//! Which entry goes: the least recently used one, as nearly as its price allows.
//!
//! A walk over the buckets collects the oldest entries it meets, and the following evictions take them
//! one after the other without another walk, as long as their stamps say that nobody has used them since.
//! In an exact dictionary the walk covers all entries, so the order is exactly that of use: whoever was
//! not among the oldest then is younger than they are. In a larger one it covers a window of 512, of
//! which it takes the oldest sixteenth. Expired entries count as oldest.

use super::core::Core;
use super::index::Bucket;
use super::record::{ENTRY, Record, link_to, state_of, version_of};
use super::shard::{CANDIDATES, EVICTIONS, EXPIRIES, HAND, Locked, SWEEP_HAND};
use super::stamps::OLDEST;

/// Candidates that one walk collects.
const CANDIDATES_MOST: usize = 31;

/// Bytes of a candidate in the shard: link, bucket, stamp.
const CANDIDATE_BYTES: usize = 12;

/// Entries that a walk looks at, unless the dictionary is exact.
const WINDOW_ENTRIES: u32 = 512;

/// Buckets that a walk looks at, unless the dictionary is exact.
const WINDOW_BUCKETS: u32 = 4096;

/// Buckets that are searched for expired entries before a store is refused.
const RECLAIM_BUCKETS: u32 = 1 << 15;

const _: () =
    assert!(CANDIDATES + 4 + CANDIDATES_MOST * CANDIDATE_BYTES <= super::geometry::SHARD_BYTES);

/// An entry that may go.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    age: u32,
    cell: u32,
    bucket: u32,
}

/// The oldest entries met so far, oldest last.
#[derive(Debug, Default)]
struct Oldest {
    found: [Candidate; CANDIDATES_MOST],
    count: usize,
}

impl Oldest {
    fn add(&mut self, candidate: Candidate) {
        let full = self.count == CANDIDATES_MOST;
        if full && candidate.age <= self.found[0].age {
            return;
        }
        let place = self.found[..self.count].partition_point(|it| it.age < candidate.age);
        if full {
            self.found.copy_within(1..place, 0);
            self.found[place - 1] = candidate;
        } else {
            self.found.copy_within(place..self.count, place + 1);
            self.found[place] = candidate;
            self.count += 1;
        }
    }
}

impl<'a> Locked<'a> {
    /// Throws out one entry other than the spared one. True if it was live; `None` if there is none.
    pub fn evict(&mut self, spared: Option<u32>) -> Option<bool> {
        for _ in 0..2 {
            while let Some((record, bucket)) = self.next_candidate() {
                if Some(record.cell) == spared {
                    continue;
                }
                let is_live = !self.core.is_over(self.shard, &record, version_of(record.commit()));
                if self.remove_from(bucket, &record) {
                    self.count(if is_live { EVICTIONS } else { EXPIRIES }, 1);
                    return Some(is_live);
                }
            }
            self.collect_candidates();
        }
        None
    }

    /// Takes the last candidate that is still what it was.
    fn next_candidate(&mut self) -> Option<(Record<'a>, u32)> {
        let mut count = self.half(CANDIDATES).min(CANDIDATES_MOST as u32);
        while count > 0 {
            count -= 1;
            self.set_half(CANDIDATES, count);
            let at = CANDIDATES + 4 + count as usize * CANDIDATE_BYTES;
            let (link, bucket, stamp) = (self.half(at), self.half(at + 4), self.half(at + 8));
            let Some(record) = self.core.record_at(link) else { continue };
            let is_same = self.core.stamp(record.cell) == stamp
                && self.core.owner(record.cell)
                    == Core::owner_byte(self.shard) | super::cells::HEAD
                && state_of(record.commit()) == ENTRY
                && bucket < self.core.geometry.buckets;
            if is_same {
                return Some((record, bucket));
            }
        }
        None
    }

    /// Walks on and notes the oldest entries that it meets.
    fn collect_candidates(&mut self) {
        let mut oldest = Oldest::default();
        let buckets = self.core.geometry.buckets;
        let is_exact = self.core.geometry.exact;
        let (entry_limit, bucket_limit) = match is_exact {
            true => (u32::MAX, buckets),
            false => (WINDOW_ENTRIES, WINDOW_BUCKETS.min(buckets)),
        };
        let mut hand = self.half(HAND) % buckets;
        let mut seen = 0;
        for _ in 0..bucket_limit {
            for (record, _) in self.bucket(hand) {
                oldest.add(self.candidate(&record, hand));
                seen += 1;
            }
            hand = (hand + 1) % buckets;
            if seen >= entry_limit {
                break;
            }
        }
        self.set_half(HAND, hand);
        // A window yields its oldest sixteenth; all of it where there are few.
        let share = if is_exact { CANDIDATES_MOST } else { (seen as usize / 16).max(1) };
        self.note_candidates(&oldest.found[oldest.count.saturating_sub(share)..oldest.count]);
    }

    fn candidate(&self, record: &Record<'_>, bucket: u32) -> Candidate {
        let is_over = self.core.is_over(self.shard, record, version_of(record.commit()));
        let age = if is_over { OLDEST } else { self.core.age(self.shard, record.cell) };
        Candidate { age, cell: record.cell, bucket }
    }

    fn note_candidates(&self, candidates: &[Candidate]) {
        for (index, candidate) in candidates.iter().enumerate() {
            let at = CANDIDATES + 4 + index * CANDIDATE_BYTES;
            self.set_half(at, link_to(candidate.cell));
            self.set_half(at + 4, candidate.bucket);
            self.set_half(at + 8, self.core.stamp(candidate.cell));
        }
        self.set_half(CANDIDATES, candidates.len() as u32);
    }

    /// Removes an entry from its bucket; false if it is not there.
    fn remove_from(&mut self, bucket: u32, record: &Record<'a>) -> bool {
        let Some(link_at) = self.link_in(bucket, record.cell) else { return false };
        self.remove(record, link_at);
        true
    }

    /// The offset of the link that leads to an entry, in a bucket.
    pub fn link_in(&self, bucket: u32, cell: u32) -> Option<usize> {
        let mut chain: Bucket<'a> = self.bucket(bucket);
        chain.find(|(record, _)| record.cell == cell).map(|(_, link_at)| link_at)
    }

    /// Removes an entry that is somewhere in the index.
    pub fn remove_cell(&mut self, record: &Record<'a>) {
        let mut key = Vec::new();
        record.read_key(&mut key);
        let bucket = self.core.place(&key).bucket;
        self.remove_from(bucket, record);
    }

    /// Gives back expired entries, from where the last search ended; true if there was one.
    pub fn reclaim(&mut self, spared: Option<u32>) -> bool {
        let mut left = RECLAIM_BUCKETS.min(self.core.geometry.buckets);
        while left > 0 {
            let step = left.min(64);
            if self.sweep_buckets(step, spared) > 0 {
                return true;
            }
            left -= step;
        }
        false
    }

    /// Gives back the expired entries of the next buckets; how many.
    pub fn sweep_buckets(&mut self, count: u32, spared: Option<u32>) -> u64 {
        let buckets = self.core.geometry.buckets;
        let mut hand = self.half(SWEEP_HAND) % buckets;
        let mut freed = 0;
        for _ in 0..count {
            freed += self.sweep_bucket(hand, spared, u64::MAX);
            hand = (hand + 1) % buckets;
        }
        self.set_half(SWEEP_HAND, hand);
        freed
    }

    /// Gives back at most `most` expired entries of one bucket; how many.
    pub fn sweep_bucket(&mut self, bucket: u32, spared: Option<u32>, most: u64) -> u64 {
        let mut freed = 0;
        while freed < most {
            let mut chain = self.bucket(bucket);
            let dead = chain.find(|(record, _)| {
                Some(record.cell) != spared
                    && self.core.is_over(self.shard, record, version_of(record.commit()))
            });
            let Some((record, link_at)) = dead else { return freed };
            self.remove(&record, link_at);
            self.count(EXPIRIES, 1);
            freed += 1;
        }
        freed
    }
}
