//! Searching for expired entries when room is needed, and knowing when there is nothing to find.
//!
//! A search goes round over the buckets of a shard. What it has seen in a whole round, and what was
//! stored meanwhile, says when the first entry ends: until then a store that finds no room learns
//! so from one number, where a search would look at every entry of the dictionary.

use super::core::Core;
use super::evict::RECLAIMED_ELEMENTS;
use super::record::{ENTRY, Record, state_of, version_of};
use super::shard::{DOOMED, EXPIRIES, FIRST_END, Locked, ROUND_END, SWEEP_HAND};
use crate::clock::now_us;

/// Buckets that are searched between two looks at what that has brought.
const STEP_BUCKETS: u32 = 64;

/// No entry ends.
const NEVER: u64 = u64::MAX;

impl Core<'_> {
    /// Nothing has been stored: no entry ends.
    pub fn note_no_ends(&self, shard: u32) {
        self.fields_of(shard).store(FIRST_END, NEVER);
        self.fields_of(shard).store(ROUND_END, NEVER);
    }

    /// True if a search in a shard may find something. Needs no lock: it is a guess then.
    pub fn may_give_back(&self, shard: u32) -> bool {
        let fields = self.fields_of(shard);
        fields.load_half(DOOMED) != 0 || is_past(fields.load(FIRST_END))
    }
}

/// (Most dictionaries need no clock for that.)
fn is_past(end_us: u64) -> bool {
    end_us != NEVER && end_us <= now_us()
}

impl Locked<'_> {
    /// Notes the end of an entry that is stored.
    #[inline(always)]
    pub fn note_first_end(&self, expiry_us: u64) {
        for field in [FIRST_END, ROUND_END] {
            if expiry_us < self.field(field) {
                self.set_field(field, expiry_us);
            }
        }
    }

    /// It is not known any more when entries end.
    pub fn forget_ends(&self) {
        self.set_field(FIRST_END, 0);
        self.set_field(ROUND_END, 0);
    }

    /// These are all the entries.
    pub fn note_ends_of(&self, entries: &[Record<'_>]) {
        let end = |record: &Record<'_>| match record.expiry_us() {
            _ if self.is_over(record, version_of(record.commit())) => 0,
            0 => NEVER,
            end_us => end_us,
        };
        let first_us = entries.iter().map(end).min().unwrap_or(NEVER);
        self.set_field(FIRST_END, first_us);
        self.set_field(ROUND_END, first_us);
    }

    /// True if some entry may have ended.
    pub fn may_have_ended(&self) -> bool {
        is_past(self.field(FIRST_END))
    }

    /// Gives back expired entries, from where the last search ended, and searches at most so many
    /// buckets; true if there was one.
    pub fn reclaim(&mut self, spared: Option<u32>, left: &mut u32) -> bool {
        if self.reclaim_doomed(RECLAIMED_ELEMENTS) > 0 {
            return true;
        }
        while *left > 0 && self.may_have_ended() {
            let step = (*left).min(STEP_BUCKETS);
            if self.sweep_buckets(step, spared) > 0 {
                return true;
            }
            *left -= step;
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
            self.note_first_end_of(hand);
            hand = (hand + 1) % buckets;
            if hand == 0 {
                self.end_round();
            }
        }
        self.set_half(SWEEP_HAND, hand);
        freed
    }

    /// Notes when the first entry of a bucket ends. (One that is spared, or was flushed, may be
    /// over.)
    fn note_first_end_of(&self, bucket: u32) {
        let ends = self.bucket(bucket).map(|(record, _)| record.expiry_us());
        if let Some(end_us) = ends.filter(|end_us| *end_us != 0).min()
            && end_us < self.field(ROUND_END)
        {
            self.set_field(ROUND_END, end_us);
        }
    }

    fn end_round(&self) {
        self.set_field(FIRST_END, self.field(ROUND_END));
        self.set_field(ROUND_END, NEVER);
    }

    /// Gives back at most `most` expired entries of one bucket; how many.
    pub fn sweep_bucket(&mut self, bucket: u32, spared: Option<u32>, most: u64) -> u64 {
        let mut freed = 0;
        while freed < most {
            let mut chain = self.bucket(bucket);
            let dead = chain.find(|(record, _)| {
                Some(record.cell) != spared
                    && state_of(record.commit()) == ENTRY
                    && self.is_over(record, version_of(record.commit()))
            });
            let Some((record, link)) = dead else { return freed };
            self.remove(&record, link);
            self.count(EXPIRIES, 1);
            freed += 1;
        }
        freed
    }
}
