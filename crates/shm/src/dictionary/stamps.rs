//! When an entry was last used, as well as a reader may say it without a lock.
//!
//! A stamp for each cell, in a table of its own: a reader may be late, and what he writes must not land
//! in a cell that has become somebody's value. In an exact dictionary a stamp is a number of four bytes
//! that every use takes from the shard's count, unless the entry was the last one used already. In a
//! larger one it is one byte of an epoch that writers advance, so that a hot entry is marked once per
//! epoch and readers write nothing that other readers of other entries read.

use super::core::Core;
use super::shard::{CELLS_USED, LIVE, Locked, RECENCY, TICKS};
use crate::sync::Ordering;

/// Epochs in the time after which an entry that nobody uses is thrown out.
const EPOCHS_PER_TURN: u64 = 64;

impl Core<'_> {
    /// Marks an entry as used now. Any thread, at any time.
    #[inline(always)]
    pub fn touch(&self, shard: u32, cell: u32) {
        let recency = self.memory.half(self.geometry.shard_at(shard) + RECENCY);
        let now = recency.load(Ordering::Relaxed);
        if self.geometry.exact {
            let stamp = self.memory.half(self.geometry.stamps_at + cell as usize * 4);
            if stamp.load(Ordering::Relaxed) != now || now == 0 {
                let next = recency.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                stamp.store(next, Ordering::Relaxed);
            }
            return;
        }
        let stamp = self.memory.byte(self.geometry.stamps_at + cell as usize);
        if stamp.load(Ordering::Relaxed) != now as u8 {
            stamp.store(now as u8, Ordering::Relaxed);
        }
    }

    /// Marks an entry whose time is over as used: to nginx, whose order of use it is, finding it is a use.
    /// Elsewhere it had better be thrown out soon.
    #[inline]
    pub fn touch_dead(&self, shard: u32, cell: u32) {
        if self.geometry.exact {
            self.touch(shard, cell);
        }
    }

    /// The stamp of a cell.
    pub fn stamp(&self, cell: u32) -> u32 {
        if self.geometry.exact {
            return self.memory.load_half(self.geometry.stamps_at + cell as usize * 4);
        }
        let stamp = self.memory.byte(self.geometry.stamps_at + cell as usize);
        u32::from(stamp.load(Ordering::Relaxed))
    }

    /// Says when an entry was used last, for one that takes the place of another.
    pub fn set_stamp(&self, cell: u32, stamp: u32) {
        if self.geometry.exact {
            let place = self.memory.half(self.geometry.stamps_at + cell as usize * 4);
            place.store(stamp, Ordering::Relaxed);
            return;
        }
        let place = self.memory.byte(self.geometry.stamps_at + cell as usize);
        place.store(stamp as u8, Ordering::Relaxed);
    }

    /// How long ago an entry was used; larger is longer.
    pub fn age(&self, shard: u32, cell: u32) -> u32 {
        self.stamp_and_age(shard, cell).1
    }

    /// The stamp of a cell, and what it says now.
    pub fn stamp_and_age(&self, shard: u32, cell: u32) -> (u32, u32) {
        let stamp = self.stamp(cell);
        let now = self.memory.load_half(self.geometry.shard_at(shard) + RECENCY);
        let age = now.wrapping_sub(stamp);
        (stamp, if self.geometry.exact { age } else { age & 0xff })
    }
}

impl Locked<'_> {
    /// Marks an entry as used by a writer, whose uses make time pass.
    #[inline(always)]
    pub fn touch(&mut self, cell: u32) {
        if !self.core.geometry.exact {
            match self.half(TICKS) {
                0 => self.begin_epoch(),
                left => self.set_half(TICKS, left - 1),
            }
        }
        self.core.touch(self.shard, cell);
    }

    /// The free part of the shard's share is written to before anything is thrown out, and then every
    /// entry once: with much room an epoch is long, and entries in use are seldom marked anew.
    #[cold]
    fn begin_epoch(&mut self) {
        let geometry = &self.core.geometry;
        let share = u64::from(geometry.usable_cells / geometry.shards);
        let turn = share.saturating_sub(self.field(CELLS_USED)).saturating_add(self.field(LIVE));
        self.set_half(RECENCY, self.half(RECENCY).wrapping_add(1));
        self.set_half(TICKS, (turn / EPOCHS_PER_TURN).min(share) as u32);
    }
}
