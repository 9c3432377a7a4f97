//! What every operation needs at hand: the memory, where things lie in it, how long to wait.
//!
//! [`Core`] knows nothing of names and files: a model checker runs it over plain arrays.

use std::ops::Deref;
use std::time::Duration;

use super::geometry::{CELL_BYTES, Geometry, SHARD_BYTES, STRIPE_BYTES, STRIPES};
use super::hash::KeyHash;
use super::shard::{Locked, WRITES};
use crate::error::{Error, Result};
use crate::lock::RobustLock;
use crate::memory::{Memory, Rows, Window};
use crate::sync::AtomicU32;

/// Longest key: its length has two bytes.
pub const KEY_LIMIT_BYTES: usize = 65_535;

/// What a dictionary consists of in this process.
#[derive(Debug)]
pub struct Parts {
    /// The bytes.
    pub memory: Memory,
    /// Where things lie.
    pub geometry: Geometry,
    /// Hash of keys.
    pub hash: KeyHash,
    /// Longest wait for a lock.
    pub lock_timeout: Duration,
    /// What readers count.
    stripes: Rows<STRIPE_BYTES>,
    /// Where the fields of the shards lie.
    shards: Rows<SHARD_BYTES>,
    /// The stamps, as bytes.
    stamps: Rows<1>,
    /// The links that lead to the first entry of each bucket.
    buckets: Rows<4>,
    /// The cells.
    cells: Rows<CELL_BYTES>,
}

impl Parts {
    /// What the memory of a dictionary of this geometry consists of.
    pub fn new(memory: Memory, geometry: Geometry, hash: KeyHash, lock_timeout: Duration) -> Self {
        let shards = geometry.shards as usize;
        Self {
            stripes: memory.rows(geometry.stripes_at, STRIPES),
            shards: memory.rows(geometry.shards_at, shards),
            stamps: memory.rows(geometry.stamps_at, geometry.stamp_bytes()),
            buckets: memory.rows(geometry.buckets_at, shards * geometry.buckets as usize),
            cells: memory.rows(geometry.cells_at, geometry.cells as usize),
            memory,
            geometry,
            hash,
            lock_timeout,
        }
    }
}

/// A dictionary as its operations see it. Copied freely: one pointer.
#[derive(Clone, Copy, Debug)]
pub struct Core<'a>(pub &'a Parts);

impl Deref for Core<'_> {
    type Target = Parts;

    #[inline(always)]
    fn deref(&self) -> &Parts {
        self.0
    }
}

/// A key, hashed.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// Its bytes.
    pub bytes: &'k [u8],
    /// The shard it belongs to.
    pub shard: u32,
    /// The bucket of the shard.
    pub bucket: u32,
    /// Sixteen more bits of the hash, kept in the entry.
    pub tag: u16,
}

impl<'a> Core<'a> {
    /// Checks and hashes a key.
    ///
    /// # Errors
    /// [`Error::EmptyKey`], [`Error::KeyTooLong`].
    #[inline(always)]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Result<Key<'k>> {
        match bytes.len() {
            0 => Err(Error::EmptyKey),
            length_bytes if length_bytes > KEY_LIMIT_BYTES => {
                Err(Error::KeyTooLong { length_bytes })
            }
            _ => Ok(self.place(bytes)),
        }
    }

    /// Where a key belongs: four independent parts of its hash.
    #[inline(always)]
    pub fn place<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        let hash = self.hash.of(bytes);
        let low = hash & 0xffff_ffff;
        Key {
            bytes,
            shard: (hash >> 58) as u32 & (self.geometry.shards - 1),
            bucket: ((low * u64::from(self.geometry.buckets)) >> 32) as u32,
            tag: (hash >> 32) as u16,
        }
    }

    /// Takes the lock of a shard, repairing the shard if its last owner died.
    ///
    /// # Errors
    /// [`Error::LockTimeout`], [`Error::LockBroken`].
    #[inline]
    pub fn lock(self, shard: u32) -> Result<Locked<'a>> {
        Locked::new(self, shard)
    }

    /// Takes the lock of the shard of a key in order to store under the key, and has the lines that
    /// this will write fetched meanwhile.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline(always)]
    pub fn lock_to_store(self, key: &Key<'_>) -> Result<Locked<'a>> {
        self.memory.expect_write(self.geometry.bucket_at(key.shard, key.bucket));
        self.memory.expect_write(self.geometry.shard_at(key.shard) + WRITES);
        let locked = self.lock(key.shard)?;
        locked.expect_spare();
        Ok(locked)
    }

    /// The fields of a shard.
    #[inline(always)]
    pub fn fields_of(self, shard: u32) -> Window<'a, SHARD_BYTES> {
        self.0.shards.row(shard as usize)
    }

    /// A stripe of what readers count.
    #[inline(always)]
    pub fn stripe(self, stripe: usize) -> Window<'a, STRIPE_BYTES> {
        self.0.stripes.row(stripe)
    }

    /// The bytes of the stamps.
    #[inline(always)]
    pub fn stamps(self) -> &'a Rows<1> {
        &self.0.stamps
    }

    /// The link that leads to the first entry of a bucket.
    #[inline(always)]
    pub fn bucket(self, shard: u32, bucket: u32) -> &'a AtomicU32 {
        self.0.buckets.row(self.0.geometry.bucket_index(shard, bucket)).half(0)
    }

    /// A cell, whatever it is; `None` if there is none of this number.
    #[inline(always)]
    pub fn cell(self, cell: u32) -> Option<Window<'a, CELL_BYTES>> {
        self.0.cells.get(cell as usize)
    }

    /// A cell whose number was checked.
    #[inline(always)]
    pub fn head_of(self, cell: u32) -> Window<'a, CELL_BYTES> {
        self.0.cells.row(cell as usize)
    }

    /// The lock of a shard.
    pub fn lock_of(&self, shard: u32) -> RobustLock<'a> {
        RobustLock::at(&self.0.memory, self.geometry.shard_at(shard))
    }

    /// Fills zeroed memory: free locks, and room everywhere.
    pub fn initialise(&self) {
        for shard in 0..self.geometry.shards {
            self.lock_of(shard).initialise();
            self.note_no_ends(shard);
        }
        self.note_room_everywhere();
    }

    /// Checks what an opener relies on beyond the header.
    ///
    /// # Errors
    /// [`Error::DamagedLock`].
    pub fn check_locks(&self) -> Result<()> {
        let damaged =
            (0..self.geometry.shards).find(|shard| !self.lock_of(*shard).is_of_our_kind());
        damaged.map_or(Ok(()), |shard| Err(Error::DamagedLock { shard }))
    }
}
