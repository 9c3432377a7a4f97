//! Who owns which cell: the allocator.
//!
//! A byte for each cell, eight to a word: 0 is free, else the number of the owning shard plus one,
//! and [`HEAD`] if an entry begins there. The byte is the truth: a cell is taken by one
//! compare-and-swap and given back by one `and`, without any lock of its own, by whoever holds the
//! owner's lock. A process that dies in between leaves cells that its shard owns and that no entry
//! reaches; the repair of the shard, which its death makes due, frees them. So no cell is lost.
//!
//! The summary (a bit for each 64 cells: "may have a free one") is a hint. Clearing a bit is
//! followed by another look, which finds what was freed meanwhile.
//!
//! Napkin: one word of owners holds eight cells; claim and release take about 6 ns each
//! uncontended.

use super::core::Core;
use super::geometry::GROUP_CELLS;
use crate::fault;
use crate::sync::{AtomicU64, Ordering, fence};

/// Mark of a cell in which an entry begins.
pub const HEAD: u8 = 0x80;

/// Longest run of neighbouring cells: its length has one byte.
pub const RUN_LIMIT_CELLS: u32 = 255;

/// Cells whose owners share a word.
const WORD_CELLS: u32 = 8;

/// Groups in which neighbouring cells are looked for before scattered ones are taken.
const PATIENCE_GROUPS: u32 = 4;

/// Neighbouring cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first one.
    pub cell: u32,
    /// How many.
    pub length: u32,
}

/// One byte in each lane of a run within a word.
fn lanes(first: u32, length: u32, byte: u8) -> u64 {
    let all = u64::from(byte) * 0x0101_0101_0101_0101;
    let width = length * 8;
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    (all & mask) << (first * 8)
}

/// A bit for each lane that is zero.
fn free_lanes(word: u64) -> u32 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let zero = !(((word & LOW) + LOW) | word | LOW);
    // Gathers the lowest bit of each lane in the top byte.
    ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// A bit for each lane that has this byte.
pub fn equal_lanes(word: u64, byte: u8) -> u32 {
    free_lanes(word ^ lanes(0, WORD_CELLS, byte))
}

/// The first place where `length` bits in a row are set.
fn row_of(bits: u32, length: u32) -> Option<u32> {
    let mut starts = bits;
    for shift in 1..length {
        starts &= bits >> shift;
    }
    (starts != 0).then(|| starts.trailing_zeros())
}

/// The longest row of set bits: start and length. Some bit is set.
fn longest_row(bits: u32) -> (u32, u32) {
    let fits = |length: &u32| row_of(bits, *length).is_some();
    let length = (1..=WORD_CELLS).rev().find(fits).unwrap_or(1);
    (row_of(bits, length).unwrap_or(0), length)
}

impl Core<'_> {
    #[inline(always)]
    fn owners(&self, cell: u32) -> &AtomicU64 {
        let word = (cell / WORD_CELLS) as usize;
        self.memory.word(self.geometry.owners_at + word * 8)
    }

    /// The owner byte of a cell will be looked at soon.
    #[inline(always)]
    pub fn expect_owner(&self, cell: u32) {
        self.memory.expect_read(self.geometry.owners_at + cell as usize);
    }

    /// The owner byte of a cell.
    #[inline(always)]
    pub fn owner(&self, cell: u32) -> u8 {
        (self.owners(cell).load(Ordering::Relaxed) >> (cell % WORD_CELLS * 8)) as u8
    }

    /// The owner bytes of eight cells, of which this is the first.
    pub fn owner_word(&self, cell: u32) -> u64 {
        self.owners(cell).load(Ordering::Relaxed)
    }

    /// The byte of cells that a shard owns.
    pub fn owner_byte(shard: u32) -> u8 {
        shard as u8 + 1
    }

    fn summary(&self, group: u32) -> &AtomicU64 {
        self.memory.word(self.geometry.summary_at + (group / 64) as usize * 8)
    }

    fn groups(&self) -> u32 {
        self.geometry.cells / GROUP_CELLS
    }

    /// Takes up to `wanted` neighbouring cells for a shard, searching from the group of `near`.
    /// Fewer if no such row is found soon; none only if no cell is free.
    pub fn claim(&self, shard: u32, near: u32, wanted: u32) -> Option<Run> {
        debug_assert!((1..=RUN_LIMIT_CELLS).contains(&wanted));
        let run =
            self.claim_beside(shard, near, wanted).or_else(|| self.search(shard, near, wanted));
        if run.is_some() {
            // Orders what fills these cells after the writes of whoever freed them, as seen by a
            // reader who is still on his old way through them: he then sees a changed sequence.
            fence(Ordering::Release);
            fault::point();
        }
        run
    }

    /// Takes a small run where the last one was freed or taken: the usual case.
    #[inline]
    fn claim_beside(&self, shard: u32, near: u32, wanted: u32) -> Option<Run> {
        if wanted > WORD_CELLS || near >= self.geometry.cells {
            return None;
        }
        let first = near / WORD_CELLS * WORD_CELLS;
        let (lane, length) =
            self.claim_in_word(first, Self::owner_byte(shard), wanted, wanted, 0)?;
        Some(Run { cell: first + lane, length })
    }

    fn search(&self, shard: u32, near: u32, wanted: u32) -> Option<Run> {
        let start = (near / GROUP_CELLS).min(self.groups() - 1);
        let mut patience = PATIENCE_GROUPS;
        let row = wanted.min(WORD_CELLS);
        let mut first_with_room = None;
        let mut found = None;
        self.each_group_with_room(start, |group| {
            found = self.claim_in(group, shard, wanted, row);
            first_with_room.get_or_insert(group);
            patience -= 1;
            found.is_some() || patience == 0
        });
        let again = first_with_room.unwrap_or(start);
        if found.is_none() {
            self.each_group_with_room(again, |group| {
                found = self.claim_in(group, shard, wanted, 1);
                found.is_some()
            });
        }
        found
    }

    /// Visits groups that may have a free cell, from `start` around, until `visit` is content. A
    /// group found full loses its bit.
    fn each_group_with_room(&self, start: u32, mut visit: impl FnMut(u32) -> bool) {
        let words = self.groups().div_ceil(64);
        for step in 0..=words {
            let word = (start / 64 + step) % words;
            let mut bits = self.summary(word * 64).load(Ordering::SeqCst);
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            } else if step == words {
                bits &= !(u64::MAX << (start % 64));
            }
            while bits != 0 {
                let group = word * 64 + bits.trailing_zeros();
                bits &= bits - 1;
                if group < self.groups() && self.has_room(group) && visit(group) {
                    return;
                }
            }
        }
    }

    /// Looks at a group whose bit is set, and clears the bit if it is full.
    fn has_room(&self, group: u32) -> bool {
        let look = || (0..GROUP_CELLS / WORD_CELLS).any(|word| self.free_in(group, word) != 0);
        if look() {
            return true;
        }
        self.summary(group).fetch_and(!(1 << (group % 64)), Ordering::SeqCst);
        fault::point();
        if look() {
            self.note_room(group);
            return true;
        }
        false
    }

    fn free_in(&self, group: u32, word: u32) -> u32 {
        let cell = group * GROUP_CELLS + word * WORD_CELLS;
        free_lanes(self.owners(cell).load(Ordering::SeqCst))
    }

    fn note_room(&self, group: u32) {
        let bit = 1 << (group % 64);
        if self.summary(group).load(Ordering::SeqCst) & bit == 0 {
            self.summary(group).fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Takes a row of at least `row` free cells of a group, and its neighbours up to `wanted`.
    fn claim_in(&self, group: u32, shard: u32, wanted: u32, row: u32) -> Option<Run> {
        let owner = Self::owner_byte(shard);
        let mut run: Option<Run> = None;
        for word in 0..GROUP_CELLS / WORD_CELLS {
            let first = group * GROUP_CELLS + word * WORD_CELLS;
            let length = run.map_or(0, |run| run.length);
            let Some((lane, taken)) =
                self.claim_in_word(first, owner, wanted - length, row, length)
            else {
                if run.is_some() {
                    break;
                }
                continue;
            };
            let start = run.map_or(first + lane, |run| run.cell);
            run = Some(Run { cell: start, length: length + taken });
            let reaches_next = lane + taken == WORD_CELLS;
            if length + taken == wanted || !reaches_next {
                break;
            }
        }
        run
    }

    /// Takes cells of one word: to go on with a run (`before` > 0) those at its beginning, else a
    /// row.
    fn claim_in_word(
        &self,
        first: u32,
        owner: u8,
        wanted: u32,
        row: u32,
        before: u32,
    ) -> Option<(u32, u32)> {
        let word = self.owners(first);
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let free = free_lanes(seen);
            let (lane, length) = match before {
                _ if free == 0 => return None,
                0 if wanted <= WORD_CELLS && row == wanted => (row_of(free, row)?, row),
                0 => longest_row(free),
                _ => (0, (!free).trailing_zeros()),
            };
            let length = length.min(wanted);
            if length == 0 || before == 0 && length < row {
                return None;
            }
            let claimed = seen | lanes(lane, length, owner);
            match word.compare_exchange_weak(seen, claimed, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Some((lane, length)),
                Err(now) => seen = now,
            }
        }
    }

    /// Says that an entry begins in a cell that the caller has claimed. Its commit word is written
    /// first, so that a repair never takes old bytes for an entry.
    pub fn mark_head(&self, cell: u32) {
        let bit = u64::from(HEAD) << (cell % WORD_CELLS * 8);
        self.owners(cell).fetch_or(bit, Ordering::Release);
    }

    /// Gives cells back.
    pub fn release(&self, run: Run) {
        let end = run.cell + run.length;
        let mut cell = run.cell;
        while cell < end {
            let length = (WORD_CELLS - cell % WORD_CELLS).min(end - cell);
            let mask = lanes(cell % WORD_CELLS, length, 0xff);
            self.owners(cell).fetch_and(!mask, Ordering::SeqCst);
            fault::point();
            self.note_room(cell / GROUP_CELLS);
            cell += length;
        }
    }

    /// Every group may have room: where a segment begins, and after a death.
    pub fn note_room_everywhere(&self) {
        for word in 0..self.groups().div_ceil(64) {
            self.summary(word * 64).store(u64::MAX, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_rows_are_found() {
        assert_eq!(lanes(0, 8, 3), 0x0303_0303_0303_0303);
        assert_eq!(lanes(2, 2, 0xff), 0xffff_0000);
        assert_eq!(free_lanes(0), 0xff);
        assert_eq!(free_lanes(0x0100_0080_00ff_0000), 0b0110_1011);
        assert_eq!(row_of(0b0110_1110, 3), Some(1));
        assert_eq!(row_of(0b0110_1110, 4), None);
        assert_eq!(longest_row(0b0110_1110), (1, 3));
        assert_eq!(longest_row(0b1000_0000), (7, 1));
    }

    #[test]
    fn every_pattern_of_free_lanes_is_recognised() {
        for pattern in 0..256_u32 {
            let word = (0..8).filter(|lane| pattern >> lane & 1 == 0);
            let word: u64 = word.map(|lane| 0x80 << (lane * 8)).fold(0, |all, bit| all | bit);
            assert_eq!(free_lanes(word), pattern);
        }
    }
}
