//! Runs that a shard keeps for its next record instead of giving them back.
//!
//! Overwriting, counting up from nothing, a queue that runs empty: what they give back they take
//! again at once. Two runs stay with the shard, as they are: their bytes of owner say that a record
//! begins there, its commit word that it does not exist. So taking one costs no atomic operation
//! and no look at owners that others write, and a random key costs two lines less of memory.
//!
//! Kept runs do not count as taken. That they cannot be claimed by others must never make a store
//! fail: all shards together keep at most a quarter of the reserve, see [`Geometry::spare_cells`].
//!
//! [`Geometry::spare_cells`]: super::geometry::Geometry::spare_cells

use super::cells::{HEAD, Run};
use super::core::Core;
use super::record::{COMMIT, FREE};
use super::shard::{CELLS_USED, Locked, SPARE_FIRST, SPARE_SECOND};
use crate::fault;
use crate::sync::{Ordering, fence};

/// A run in the field of a shard: its length above its cell; 0 for none.
pub fn word_of(run: Run) -> u64 {
    u64::from(run.length) << 32 | u64::from(run.cell)
}

/// The run that a field says.
pub fn run_of(word: u64) -> Run {
    Run { cell: word as u32, length: (word >> 32) as u32 }
}

impl Core<'_> {
    /// True if the owner of all cells of a run but the first is this byte.
    #[inline(never)]
    fn owns_body(&self, owner: u8, run: Run) -> bool {
        (run.cell + 1..run.cell + run.length).all(|cell| self.owner(cell) == owner)
    }

    /// True if a shard may have kept runs. Needs no lock: it is a guess then.
    pub fn keeps_runs(&self, shard: u32) -> bool {
        let fields = self.fields_of(shard);
        [SPARE_FIRST, SPARE_SECOND].into_iter().any(|field| fields.load(field) != 0)
    }
}

impl Locked<'_> {
    /// The run that was kept last will be taken soon, and another process may have been its owner.
    #[inline(always)]
    pub fn expect_spare(&self) {
        let run = run_of(self.field(SPARE_FIRST));
        if run.cell < self.core.geometry.cells {
            self.core.memory.expect_write(self.core.geometry.cell_at(run.cell));
            self.core.expect_owner(run.cell);
            self.core.expect_touch(run.cell);
        }
    }

    /// Takes a kept run of just that length.
    #[inline(always)]
    pub fn take_spare(&mut self, wanted: u64) -> Option<Run> {
        let (first, second) = (self.field(SPARE_FIRST), self.field(SPARE_SECOND));
        let run = if first >> 32 == wanted {
            self.set_field(SPARE_FIRST, 0);
            run_of(first)
        } else if second >> 32 == wanted {
            self.set_field(SPARE_SECOND, 0);
            run_of(second)
        } else {
            return None;
        };
        if !self.is_spare(run) {
            return None;
        }
        self.count(CELLS_USED, u64::from(run.length));
        // As in a claim: orders what fills these cells after the sequence that closed what freed
        // them.
        fence(Ordering::Release);
        fault::point();
        Some(run)
    }

    /// True if nothing else has these cells. Damage and death may have left anything in the fields.
    #[inline(always)]
    pub fn is_spare(&self, run: Run) -> bool {
        let Run { cell, length } = run;
        let cells = self.core.geometry.cells;
        let own = Core::owner_byte(self.shard);
        length > 0
            && cell < cells
            && length <= cells - cell
            && self.core.owner(cell) == own | HEAD
            && (length == 1 || self.core.owns_body(own, run))
            && self.core.head_of(cell).load(COMMIT) == FREE
    }

    /// Gives back the first run of a record that ended: to the shard if it is short, and whatever
    /// that has kept for longest to all.
    #[inline(always)]
    pub fn keep_or_release(&mut self, run: Run) {
        if run.length > self.core.geometry.spare_cells {
            return self.release(run);
        }
        let before = self.field(SPARE_FIRST);
        if before != 0 {
            self.make_place(before);
        }
        self.set_field(SPARE_FIRST, word_of(run));
        fault::point();
        self.discount(CELLS_USED, u64::from(run.length));
    }

    /// Frees the first field, giving back what is in the second.
    fn make_place(&mut self, first: u64) {
        let oldest = self.field(SPARE_SECOND);
        self.set_field(SPARE_SECOND, first);
        if oldest != 0 {
            self.release_spare(run_of(oldest));
        }
    }

    fn release_spare(&mut self, run: Run) {
        if self.is_spare(run) {
            self.core.release(run);
        }
    }

    /// Gives back everything that is kept: cells are scarce.
    pub fn release_spares(&mut self) {
        for field in [SPARE_FIRST, SPARE_SECOND] {
            let run = run_of(self.field(field));
            self.set_field(field, 0);
            fault::point();
            self.release_spare(run);
        }
    }

    /// The runs that are kept, as far as they are what they should be.
    pub fn spares(&self) -> Vec<Run> {
        let kept = [SPARE_FIRST, SPARE_SECOND].map(|field| run_of(self.field(field)));
        kept.into_iter().filter(|run| self.is_spare(*run)).collect()
    }
}
