//! Where everything lies in the segment of a dictionary, computed from five numbers of its header.
//!
//! ```text
//! header | stripes of statistics | shards | summary | owners | stamps | buckets | cells
//! ```
//! Memory is cut into cells of 64 bytes. An entry takes one or several, from anywhere: any free
//! cell serves any shard, so nothing fragments. What a cell costs beside itself: one byte of owner,
//! one byte of stamp (four in a small dictionary), 9/8 of a bucket of four bytes.

use crate::error::{Error, Result};
use crate::segment::header::{HEADER_BYTES, PARAMETERS};

/// Bytes of a cell: one cache line.
pub const CELL_BYTES: usize = 64;

/// Words of eight bytes in a cell.
pub const CELL_WORDS: usize = CELL_BYTES / 8;

/// Cells that share a bit of the summary.
pub const GROUP_CELLS: u32 = 64;

/// Bytes of the fields of a shard.
pub const SHARD_BYTES: usize = 640;

/// Bytes of a stripe of statistics: one cache line.
pub const STRIPE_BYTES: usize = 64;

/// Stripes of statistics.
pub const STRIPES: usize = if cfg!(loom) { 1 } else { 32 };

/// Smallest size of a dictionary.
pub const SIZE_LEAST_BYTES: u64 = 4096;

/// Largest size of a dictionary.
pub const SIZE_MOST_BYTES: u64 = 64 << 30;

/// Most shards: an owner has seven bits.
pub const SHARDS_MOST: u32 = 64;

/// Up to this size a dictionary has one shard and evicts exactly the least recently used entry.
pub const EXACT_LIMIT_BYTES: u64 = 1 << 20;

/// Size for each shard where the caller does not say how many.
const BYTES_PER_SHARD: u64 = 256 << 10;

/// Cells in reserve, for overwriting entries in a full dictionary: this part of all, but not fewer
/// than a group.
const RESERVE_PART: u32 = 128;

/// Longest run that a shard keeps for its next record.
const SPARE_CELLS_MOST: u32 = 8;

/// The five numbers, and the offsets that follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The size that the creator asked for.
    pub capacity_bytes: u64,
    /// Shards, a power of two.
    pub shards: u32,
    /// Eviction in exact order of use: stamps have four bytes, readers count.
    pub exact: bool,
    /// Cells, a multiple of [`GROUP_CELLS`].
    pub cells: u32,
    /// Cells that entries may take; the rest is reserve.
    pub usable_cells: u32,
    /// Cells of the longest run that a shard keeps for its next record. A shard keeps two, all of
    /// them together at most a quarter of the reserve; 0 if that is none.
    pub spare_cells: u32,
    /// Buckets of each shard.
    pub buckets: u32,
    /// Offset of the stripes.
    pub stripes_at: usize,
    /// Offset of the shards.
    pub shards_at: usize,
    /// Offset of the summary: a bit for each group, set if the group may have a free cell.
    pub summary_at: usize,
    /// Offset of the owners: a byte for each cell.
    pub owners_at: usize,
    /// Offset of the stamps.
    pub stamps_at: usize,
    /// Offset of the buckets.
    pub buckets_at: usize,
    /// Offset of the cells.
    pub cells_at: usize,
    /// Size of the whole segment.
    pub total_bytes: usize,
}

impl Geometry {
    /// Plans a dictionary that holds `capacity_bytes` of entries.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::InvalidShards`].
    pub fn plan(capacity_bytes: u64, shards: Option<u32>) -> Result<Self> {
        let (least, most) = (SIZE_LEAST_BYTES, SIZE_MOST_BYTES);
        if !(least..=most).contains(&capacity_bytes) {
            let (option, value) = ("size_bytes", capacity_bytes);
            return Err(Error::InvalidOption { option, value, least, most });
        }
        let shards = shards.unwrap_or_else(|| usual_shards(capacity_bytes));
        if !shards.is_power_of_two() || shards > SHARDS_MOST {
            return Err(Error::InvalidShards { value: shards, most: SHARDS_MOST });
        }
        let usable = capacity_bytes.div_ceil(CELL_BYTES as u64) as u32;
        let reserve = (usable / RESERVE_PART).max(GROUP_CELLS);
        let cells = (usable + reserve).next_multiple_of(GROUP_CELLS);
        let buckets = (u64::from(cells) * 9 / 8).div_ceil(u64::from(shards)) as u32;
        let exact = shards == 1 && capacity_bytes <= EXACT_LIMIT_BYTES;
        let parameters = [capacity_bytes, u64::from(shards), u64::from(exact)];
        let sizes = [u64::from(cells), u64::from(usable), u64::from(buckets), 0, 0];
        let mut all = [0; PARAMETERS];
        all[..3].copy_from_slice(&parameters);
        all[3..].copy_from_slice(&sizes);
        Self::from_parameters(&all)
    }

    /// The numbers as the header keeps them.
    pub fn parameters(&self) -> [u64; PARAMETERS] {
        [
            self.capacity_bytes,
            u64::from(self.shards),
            u64::from(self.exact),
            u64::from(self.cells),
            u64::from(self.usable_cells),
            u64::from(self.buckets),
            0,
            0,
        ]
    }

    /// Checks the numbers of a header and computes the offsets.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a number is out of its range.
    pub fn from_parameters(parameters: &[u64; PARAMETERS]) -> Result<Self> {
        let [capacity_bytes, shards, exact, cells, usable, buckets, ..] = *parameters;
        let most = SIZE_MOST_BYTES / CELL_BYTES as u64 * 2;
        let fine = shards.is_power_of_two()
            && shards <= u64::from(SHARDS_MOST)
            && exact <= 1
            && cells <= most
            && cells > 0
            && cells.is_multiple_of(u64::from(GROUP_CELLS))
            && usable <= cells
            && (1..=cells * 4).contains(&buckets)
            && buckets <= u64::from(u32::MAX)
            && capacity_bytes <= usable * CELL_BYTES as u64;
        if !fine {
            return Err(Error::Damaged { what: "the numbers of the dictionary" });
        }
        Ok(Self::with_offsets(capacity_bytes, shards, exact == 1, cells, usable, buckets))
    }

    /// The ranges were checked: nothing overflows.
    pub(super) fn with_offsets(
        capacity_bytes: u64,
        shards: u64,
        exact: bool,
        cells: u64,
        usable: u64,
        buckets: u64,
    ) -> Self {
        let mut end = HEADER_BYTES;
        let mut place = |size_bytes: u64| {
            let start = end;
            end = (start + size_bytes as usize).next_multiple_of(CELL_BYTES);
            start
        };
        let stripes_at = place((STRIPES * STRIPE_BYTES) as u64);
        let shards_at = place(shards * SHARD_BYTES as u64);
        let summary_at = place(cells.div_ceil(u64::from(GROUP_CELLS) * 64) * 8);
        let owners_at = place(cells);
        let stamps_at = place(if exact { cells * 4 } else { cells });
        let buckets_at = place(shards * buckets * 4);
        let cells_at = place(cells * CELL_BYTES as u64);
        Self {
            capacity_bytes,
            shards: shards as u32,
            exact,
            cells: cells as u32,
            usable_cells: usable as u32,
            spare_cells: ((cells - usable) / (8 * shards)).min(SPARE_CELLS_MOST.into()) as u32,
            buckets: buckets as u32,
            stripes_at,
            shards_at,
            summary_at,
            owners_at,
            stamps_at,
            buckets_at,
            cells_at,
            total_bytes: end,
        }
    }

    /// Bytes of all stamps.
    pub fn stamp_bytes(&self) -> usize {
        self.cells as usize * if self.exact { 4 } else { 1 }
    }

    /// Where a cell begins. The caller has checked the number.
    #[inline]
    pub fn cell_at(&self, cell: u32) -> usize {
        debug_assert!(cell < self.cells);
        self.cells_at + cell as usize * CELL_BYTES
    }

    /// Where the fields of a shard begin.
    #[inline]
    pub fn shard_at(&self, shard: u32) -> usize {
        self.shards_at + shard as usize * SHARD_BYTES
    }

    /// The number of a bucket among those of all shards.
    #[inline]
    pub fn bucket_index(&self, shard: u32, bucket: u32) -> usize {
        shard as usize * self.buckets as usize + bucket as usize
    }

    /// Where a bucket lies.
    #[inline]
    pub fn bucket_at(&self, shard: u32, bucket: u32) -> usize {
        self.buckets_at + self.bucket_index(shard, bucket) * 4
    }
}

fn usual_shards(capacity_bytes: u64) -> u32 {
    if capacity_bytes <= EXACT_LIMIT_BYTES {
        return 1;
    }
    let wanted = (capacity_bytes / BYTES_PER_SHARD).clamp(8, u64::from(SHARDS_MOST)) as u32;
    wanted.next_power_of_two()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_one_cell_costs_at_most_72_bytes_in_all() {
        for size_bytes in [64 << 20, 1 << 30] {
            let plan = Geometry::plan(size_bytes, None).unwrap();
            let each = plan.total_bytes as f64 / f64::from(plan.usable_cells);
            assert!(each <= 72.0, "{each} bytes for a cell of {size_bytes}");
        }
    }

    #[test]
    fn a_plan_survives_the_way_through_the_header() {
        for size_bytes in [4096, 12 << 10, 1 << 20, (1 << 20) + 1, 100_000_000] {
            let plan = Geometry::plan(size_bytes, None).unwrap();
            assert_eq!(Geometry::from_parameters(&plan.parameters()), Ok(plan));
            assert!(u64::from(plan.usable_cells) * 64 >= size_bytes);
            assert_eq!(plan.exact, size_bytes <= 1 << 20);
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let good = Geometry::plan(1 << 20, None).unwrap().parameters();
        for (index, value) in [(1, 3), (1, 128), (2, 2), (3, 0), (3, 65), (4, 1 << 40), (5, 0)] {
            let mut bad = good;
            bad[index] = value;
            assert!(Geometry::from_parameters(&bad).is_err(), "{index} = {value}");
        }
        assert!(Geometry::plan(100, None).is_err());
    }

    #[test]
    fn a_number_of_shards_is_never_rounded() {
        for shards in [1, 2, 64] {
            assert_eq!(Geometry::plan(1 << 20, Some(shards)).unwrap().shards, shards);
        }
        for shards in [0, 3, 63, 65, 128, u32::MAX] {
            let error = Geometry::plan(1 << 20, Some(shards)).unwrap_err().to_string();
            let expected = "invalid shards: expected a power of two up to 64";
            assert_eq!(error, format!("{expected}, got {shards}"));
        }
    }
}
