//! What a dictionary counts.
//!
//! Writers count under their lock, in the fields of the shard. Readers have no lock and must not
//! share a line: each thread adds to one of the stripes, chosen when it first reads. It adds
//! without a locked instruction, which would be a tenth of a read; so a read may go uncounted where
//! two threads that share a stripe count at the same moment.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use super::core::Core;
use super::geometry::{CELL_BYTES, STRIPES};
use super::shard::{
    CELLS_USED, ELEMENTS, EVICTIONS, EXPIRIES, LIVE, LOCK_WAITS, REFUSALS, REPAIRS, WRITES,
};
use crate::sync::Ordering;

/// What readers count.
#[derive(Clone, Copy, Debug)]
pub enum Counter {
    /// A live entry was found.
    Hit,
    /// None was.
    Miss,
}

/// Numbers of a dictionary, all together read at about one moment. Each is exact, but for hits and
/// misses: one may be missing where two of more than 32 threads read at the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Entries, those included that have expired and were not reclaimed yet.
    pub entries: u64,
    /// Elements of lists.
    pub elements: u64,
    /// Bytes that entries may take in all.
    pub capacity_bytes: u64,
    /// Bytes that they take, with everything that belongs to them.
    pub used_bytes: u64,
    /// Bytes that new entries can take.
    pub free_bytes: u64,
    /// Bytes of the whole segment.
    pub segment_bytes: u64,
    /// Shards.
    pub shards: u32,
    /// Reads that found a live entry.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Stores that succeeded.
    pub writes: u64,
    /// Stores refused for want of room.
    pub refusals: u64,
    /// Live entries thrown out to make room.
    pub evictions: u64,
    /// Expired entries reclaimed.
    pub expiries: u64,
    /// Times a lock was not free at once.
    pub lock_waits: u64,
    /// Repairs after a death or a panic.
    pub repairs: u64,
}

impl Statistics {
    /// Every figure by its name, for reports.
    pub fn figures(&self) -> [(&'static str, u64); 15] {
        [
            ("entries", self.entries),
            ("elements", self.elements),
            ("capacity_bytes", self.capacity_bytes),
            ("used_bytes", self.used_bytes),
            ("free_bytes", self.free_bytes),
            ("segment_bytes", self.segment_bytes),
            ("shards", self.shards.into()),
            ("hits", self.hits),
            ("misses", self.misses),
            ("writes", self.writes),
            ("refusals", self.refusals),
            ("evictions", self.evictions),
            ("expiries", self.expiries),
            ("lock_waits", self.lock_waits),
            ("repairs", self.repairs),
        ]
    }
}

/// The stripe of the next thread that reads.
static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The stripe of this thread. Processes begin at different ones.
#[inline]
fn stripe() -> usize {
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            let number = NEXT_STRIPE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            stripe.set((number + std::process::id() as usize * 7) % STRIPES);
        }
        stripe.get()
    })
}

impl Core<'_> {
    /// Adds one.
    #[inline]
    pub fn tally(&self, counter: Counter) {
        // The model checker has enough to do with what matters.
        if !cfg!(loom) {
            let count = self.stripe(stripe()).word(counter as usize * 8);
            count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    fn total(&self, counter: Counter) -> u64 {
        let sum = (0..STRIPES).map(|stripe| self.stripe(stripe).load(counter as usize * 8));
        sum.fold(0, u64::wrapping_add)
    }

    /// The sum of a field over all shards.
    pub fn sum(&self, field: usize) -> u64 {
        let shards = 0..self.geometry.shards;
        let values = shards.map(|shard| self.memory.load(self.geometry.shard_at(shard) + field));
        values.fold(0, u64::wrapping_add)
    }

    /// Cells that new entries can take: what is free beyond the reserve.
    pub fn free_cells(&self) -> u64 {
        u64::from(self.geometry.usable_cells).saturating_sub(self.sum(CELLS_USED))
    }

    /// All numbers.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            entries: self.sum(LIVE),
            elements: self.sum(ELEMENTS),
            capacity_bytes: self.geometry.capacity_bytes,
            used_bytes: self.sum(CELLS_USED).saturating_mul(CELL_BYTES as u64),
            free_bytes: self.free_cells() * CELL_BYTES as u64,
            segment_bytes: self.geometry.total_bytes as u64,
            shards: self.geometry.shards,
            hits: self.total(Counter::Hit),
            misses: self.total(Counter::Miss),
            writes: self.sum(WRITES),
            refusals: self.sum(REFUSALS),
            evictions: self.sum(EVICTIONS),
            expiries: self.sum(EXPIRIES),
            lock_waits: self.sum(LOCK_WAITS),
            repairs: self.sum(REPAIRS),
        }
    }
}
