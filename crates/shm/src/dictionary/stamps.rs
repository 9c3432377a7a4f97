//! When an entry was last used, as well as a reader may say it without a lock.
//!
//! A stamp for each cell, in a table of its own: a reader may be late, and what he writes must not
//! land in a cell that has become somebody's value. In an exact dictionary a stamp is a number of
//! four bytes that every use takes from the shard's count, unless the entry was the last one used
//! already. In a larger one it is one byte of an epoch that writers advance, so that a hot entry is
//! marked once per epoch and readers write nothing that other readers of other entries read.

use super::core::Core;
use super::shard::{CELLS_USED, LIVE, Locked, RECENCY, TICKS};
use crate::sync::{AtomicU32, Ordering};

/// Epochs in the time after which an entry that nobody uses is thrown out.
const EPOCHS_PER_TURN: u64 = 64;

/// Uses of an exact dictionary while somebody looks at its entries, at most: stamps so far ahead of
/// the moment at which the look began are later ones, not old ones.
const USES_AHEAD: u32 = 1 << 28;

impl Core<'_> {
    /// Marks an entry as used now. Any thread, at any time.
    #[inline(always)]
    pub fn touch(&self, shard: u32, cell: u32) {
        self.touch_at(self.memory.half(self.geometry.shard_at(shard) + RECENCY), cell);
    }

    /// The same where the place of the shard's recency is known.
    #[inline(always)]
    pub fn touch_at(&self, recency: &AtomicU32, cell: u32) {
        let now = recency.load(Ordering::Relaxed);
        if self.geometry.exact {
            let stamp = self.memory.half(self.geometry.stamps_at + cell as usize * 4);
            if stamp.load(Ordering::Relaxed) != now || now == 0 {
                let next = recency.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                stamp.store(next, Ordering::Relaxed);
            }
            return;
        }
        let stamp = self.stamps().row(cell as usize).byte(0);
        if stamp.load(Ordering::Relaxed) != now as u8 {
            stamp.store(now as u8, Ordering::Relaxed);
        }
    }

    /// The entry in a cell will be marked soon. In a large dictionary its stamp is far from it, and
    /// both can be on their way at once; in an exact one, which is small, this fetches another one.
    #[inline(always)]
    pub fn expect_touch(&self, cell: u32) {
        self.stamps().expect_read(cell as usize);
    }

    /// Marks an entry whose time is over as used: to nginx, whose order of use it is, finding it is
    /// a use. Elsewhere it had better be thrown out soon.
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

    /// What [`age`](Self::age) reckons from.
    pub fn recency(&self, shard: u32) -> u32 {
        self.memory.load_half(self.geometry.shard_at(shard) + RECENCY)
    }

    /// How long before that moment an entry was used; larger is longer. An entry that has been used
    /// since is as young as one can be.
    #[inline(always)]
    pub fn age(&self, now: u32, stamp: u32) -> u32 {
        let age = now.wrapping_sub(stamp);
        if !self.geometry.exact {
            return age & 0xff;
        }
        if age > u32::MAX - USES_AHEAD { 0 } else { age }
    }
}

impl Locked<'_> {
    /// Marks an entry as used by a writer, whose uses make time pass.
    #[inline(always)]
    pub fn touch(&mut self, cell: u32) {
        if !self.core.geometry.exact {
            match self.half(TICKS) {
                0 => Self::begin_epoch(self.core, self.shard),
                left => self.set_half(TICKS, left - 1),
            }
        }
        self.core.touch_at(self.half_place(RECENCY), cell);
    }

    /// What is free is written to before anything is thrown out, and then every entry once: with
    /// much room an epoch is long, and entries in use are seldom marked anew. The shard gets its
    /// part of what is free, filled with entries like those that it has.
    #[cold]
    fn begin_epoch(core: Core<'_>, shard: u32) {
        let fields = core.fields_of(shard);
        let (live, used) = (fields.load(LIVE), fields.load(CELLS_USED).max(1));
        let free = core.free_cells() / u64::from(core.geometry.shards);
        let turn = live.saturating_add(free.saturating_mul(live) / used);
        let most = u64::from(core.geometry.cells);
        fields.store_half(RECENCY, fields.load_half(RECENCY).wrapping_add(1));
        fields.store_half(TICKS, (turn / EPOCHS_PER_TURN).min(most) as u32);
    }

    /// Entries are thrown out: there is no free room to write to, whatever was there when the epoch
    /// began.
    pub fn shorten_epoch(&mut self) {
        let most = (self.field(LIVE) / EPOCHS_PER_TURN) as u32;
        if !self.core.geometry.exact && self.half(TICKS) > most {
            self.set_half(TICKS, most);
        }
    }
}
