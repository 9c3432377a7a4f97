//! Which entry goes: the least recently used one, as nearly as its price allows.
//!
//! A walk over owner bytes and stamps, which lie side by side and cost a nanosecond each, collects
//! the oldest entries it meets, and the following evictions take them one after the other without
//! another walk, as long as their stamps say that nobody has used them since. In an exact
//! dictionary the walk covers all entries, so the order is exactly that of use: whoever was not
//! among the oldest then is younger than they are. In a larger one it covers a window of 512, of
//! which it takes the oldest sixteenth. Before a live entry goes, a few buckets are searched for
//! expired ones.

use super::cells::{HEAD, equal_lanes};
use super::core::Core;
use super::index::Bucket;
use super::record::{ENTRY, Record, link_to, state_of, version_of};
use super::shard::{CANDIDATES, EVICTIONS, EXPIRIES, HAND, Locked};
use crate::sync::AtomicU32;

/// Candidates that one walk collects.
const CANDIDATES_MOST: usize = 46;

/// Bytes of a candidate in the shard: link, stamp.
const CANDIDATE_BYTES: usize = 8;

/// Heads that a walk looks at, unless the dictionary is exact.
const WINDOW_HEADS: u32 = 512;

/// Words of owners that a walk looks at, whatever it finds: about 100 microseconds.
const WINDOW_WORDS: u32 = 1 << 17;

/// Elements of ended lists that go before anything else.
pub const RECLAIMED_ELEMENTS: u64 = 64;

/// Buckets that are searched for expired entries before a live one goes.
const SWEPT_BUCKETS: u32 = 2;

const _: () =
    assert!(CANDIDATES + 4 + CANDIDATES_MOST * CANDIDATE_BYTES <= super::geometry::SHARD_BYTES);

/// An entry that may go: how long ago it was used, and the stamp that said so.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    age: u32,
    cell: u32,
    stamp: u32,
}

/// The oldest entries met so far, oldest last.
#[derive(Debug)]
struct Oldest {
    found: [Candidate; CANDIDATES_MOST],
    count: usize,
}

impl Oldest {
    fn new() -> Self {
        Self { found: [Candidate::default(); CANDIDATES_MOST], count: 0 }
    }

    /// True if an entry of that age would be among them.
    fn wants(&self, age: u32) -> bool {
        self.count < CANDIDATES_MOST || age > self.found[0].age
    }

    fn add(&mut self, candidate: Candidate) {
        let place = self.found[..self.count].partition_point(|it| it.age < candidate.age);
        if self.count == CANDIDATES_MOST {
            // The youngest goes; it is younger than the new one, so `place` is not 0.
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
    /// Throws out one entry other than the spared one. True if it was live; `None` if there is
    /// none.
    pub fn evict(&mut self, spared: Option<u32>) -> Option<bool> {
        let is_free = self.reclaim_doomed(RECLAIMED_ELEMENTS) > 0;
        if is_free || (self.may_have_ended() && self.sweep_buckets(SWEPT_BUCKETS, spared) > 0) {
            return Some(false);
        }
        // What was noted before, what a walk notes now, and in the end, lest readers who use all
        // that there is make it last for ever, the same whoever has used it meanwhile.
        for (may_be_used, is_last) in [(false, false), (false, false), (true, true)] {
            if let Some(is_live) = self.evict_candidate(spared, may_be_used) {
                return Some(is_live);
            }
            if !is_last {
                self.collect_candidates(spared);
            }
        }
        None
    }

    /// Throws out the oldest candidate. True if it was live.
    fn evict_candidate(&mut self, spared: Option<u32>, may_be_used: bool) -> Option<bool> {
        let mut passed_over = None;
        while let Some(record) = self.next_candidate(may_be_used) {
            if Some(record.cell) == spared {
                passed_over = Some(self.half(CANDIDATES));
                continue;
            }
            let is_live = !self.is_over(&record, version_of(record.commit()));
            if self.remove_cell(&record) {
                passed_over.into_iter().for_each(|index| self.return_candidate(index));
                self.count(if is_live { EVICTIONS } else { EXPIRIES }, 1);
                self.shorten_epoch();
                return Some(is_live);
            }
        }
        None
    }

    /// Takes up again the candidate that was noted there, behind those that are left: it was
    /// spared, and may be as old as before when this is over.
    fn return_candidate(&self, index: u32) {
        let last = CANDIDATES_MOST as u32 - 1;
        let count = self.half(CANDIDATES).min(last);
        let place = |index: u32| CANDIDATES + 4 + index.min(last) as usize * CANDIDATE_BYTES;
        for half in [0, 4] {
            self.set_half(place(count) + half, self.half(place(index) + half));
        }
        self.set_half(CANDIDATES, count + 1);
    }

    /// An entry goes on in another cell, and is as old as before.
    pub fn follow_candidate(&self, from: u32, to: u32) {
        let count = self.half(CANDIDATES).min(CANDIDATES_MOST as u32) as usize;
        let mut places = (0..count).map(|index| CANDIDATES + 4 + index * CANDIDATE_BYTES);
        if let Some(at) = places.find(|at| self.half(*at) == link_to(from)) {
            self.set_half(at, link_to(to));
        }
    }

    /// True if an entry of this shard begins in a cell.
    fn is_entry(&self, record: &Record<'_>) -> bool {
        self.core.owner(record.cell) == Core::owner_byte(self.shard) | HEAD
            && state_of(record.commit()) == ENTRY
    }

    /// Takes the last candidate that is still what it was, and that nobody has used since unless it
    /// may be.
    fn next_candidate(&mut self, may_be_used: bool) -> Option<Record<'a>> {
        let mut count = self.half(CANDIDATES).min(CANDIDATES_MOST as u32);
        while count > 0 {
            count -= 1;
            self.set_half(CANDIDATES, count);
            let at = CANDIDATES + 4 + count as usize * CANDIDATE_BYTES;
            let Some(record) = self.core.record_at(self.half(at)) else { continue };
            let is_unused = self.core.stamp(record.cell) == self.half(at + 4);
            if (is_unused || may_be_used) && self.is_entry(&record) {
                return Some(record);
            }
        }
        None
    }

    /// Walks on and notes the oldest entries that it meets. Of few entries it notes one, so not the
    /// one that is spared; but in exact order of use that one is noted, too: it may stay as old as
    /// it is.
    fn collect_candidates(&mut self, spared: Option<u32>) {
        let mut oldest = Oldest::new();
        let is_exact = self.core.geometry.exact;
        let spared = spared.filter(|_| !is_exact);
        let words = self.core.geometry.cells / 8;
        let own = Core::owner_byte(self.shard) | HEAD;
        let now = self.core.recency(self.shard);
        let mut hand = self.half(HAND) % words;
        let mut seen = 0;
        for _ in 0..words.min(WINDOW_WORDS) {
            let mut lanes = equal_lanes(self.core.owner_word(hand * 8), own);
            while lanes != 0 {
                let cell = hand * 8 + lanes.trailing_zeros();
                if Some(cell) != spared {
                    self.consider(&mut oldest, now, cell);
                }
                lanes &= lanes - 1;
                seen += 1;
            }
            hand = (hand + 1) % words;
            if !is_exact && seen >= WINDOW_HEADS && oldest.count > 0 {
                break;
            }
        }
        self.set_half(HAND, hand);
        // A window yields its oldest sixteenth; all of it where there are few.
        let share = if is_exact { CANDIDATES_MOST } else { (seen as usize / 16).max(1) };
        self.note_candidates(&oldest.found[oldest.count.saturating_sub(share)..oldest.count]);
    }

    fn consider(&self, oldest: &mut Oldest, now: u32, cell: u32) {
        let stamp = self.core.stamp(cell);
        let age = self.core.age(now, stamp);
        let commit = self.core.memory.load(self.core.geometry.cell_at(cell));
        // An element of a list goes with its list, not alone.
        if oldest.wants(age) && state_of(commit) == ENTRY {
            oldest.add(Candidate { age, cell, stamp });
        }
    }

    fn note_candidates(&self, candidates: &[Candidate]) {
        for (index, candidate) in candidates.iter().enumerate() {
            let at = CANDIDATES + 4 + index * CANDIDATE_BYTES;
            self.set_half(at, link_to(candidate.cell));
            // The stamp that made it old: who has used it since the walk came by is not taken.
            self.set_half(at + 4, candidate.stamp);
        }
        self.set_half(CANDIDATES, candidates.len() as u32);
    }

    /// Removes an entry from its bucket; false if it is not there.
    fn remove_from(&mut self, bucket: u32, record: &Record<'a>) -> bool {
        let Some(link) = self.link_in(bucket, record.cell) else { return false };
        self.remove(record, link);
        true
    }

    /// The link that leads to an entry, in a bucket.
    pub fn link_in(&self, bucket: u32, cell: u32) -> Option<&'a AtomicU32> {
        let mut chain: Bucket<'a> = self.bucket(bucket);
        chain.find(|(record, _)| record.cell == cell).map(|(_, link)| link)
    }

    /// Removes an entry that is somewhere in the index; false if it is not.
    pub fn remove_cell(&mut self, record: &Record<'a>) -> bool {
        let mut key = Vec::new();
        let is_whole = record.read_key(&mut key);
        is_whole && self.remove_from(self.core.place(&key).bucket, record)
    }
}
