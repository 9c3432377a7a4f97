//! A shard: its fields, and the guard of its lock.
//!
//! Who writes what: everything by the owner of the lock, but for `RECENCY` (any reader of an exact
//! dictionary) and `DOORBELL` (whoever waits). Readers without the lock read `SEQUENCE`, which
//! changes when entries do, and `FLUSHED`, `RECENCY` and `DUE`, which have a line with the
//! doorbell.
//!
//! The sequence is odd while entries are linked, unlinked and given back: between [`Locked::open`]
//! and [`Locked::close`]. Readers who meet an odd or a changed number try again.
//!
//! A line that another processor wrote last has to be fetched from it, which takes 100 ns and more.
//! Storing writes two of a shard: the one of the lock, and the one with its counts of cells.
//!
//! `DIRTY` is set while the lock is held. Who finds it set upon locking, or is told by the lock
//! that its owner died, repairs first. A guard dropped by a panic leaves it set.

use std::time::Instant;

use super::core::Core;
use super::geometry::SHARD_BYTES;
use crate::error::{Error, Result};
use crate::lock::{LOCK_BYTES, RobustLock, Taken};
use crate::memory::Window;
use crate::sync::{AtomicU32, Ordering, fence, spin};

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Set while the lock is held: u32.
pub const DIRTY: usize = LOCK_BYTES;
/// Touches that are left until the recency changes: u32. A hint.
pub const TICKS: usize = DIRTY + 4;
/// Even at rest, odd while entries change: u64, the last of the line.
pub const SEQUENCE: usize = LINE_BYTES - 8;
/// Last version given out: u64. In the line of the lock where that leaves room.
pub const VERSION: usize = if LOCK_BYTES == 40 { DIRTY + 8 } else { REFUSALS + 16 };

/// Entries whose version is not above this one were flushed: u64.
pub const FLUSHED: usize = LINE_BYTES;
/// What stamps are taken from: u32.
pub const RECENCY: usize = FLUSHED + 8;
/// Bit 0: somebody may sleep; the rest counts rings: u32.
pub const DOORBELL: usize = FLUSHED + 12;
/// When an operation is to look for expired entries, in microseconds; 0 for at once: u64. A hint.
pub const DUE: usize = FLUSHED + 16;
/// Link of the live entry that what has expired lies behind, 0 without one: u32. A hint.
pub const BLOCKER: usize = FLUSHED + 24;
/// Its stamp: u32. A hint.
pub const BLOCKER_STAMP: usize = FLUSHED + 28;
/// Its commit word: u64. A hint.
pub const BLOCKER_COMMIT: usize = FLUSHED + 32;
/// No entry ends before, in microseconds; 0 where that is not known: u64. A hint.
pub const FIRST_END: usize = FLUSHED + 40;
/// The same of what the sweep has seen in this round over the buckets, and of what was stored
/// meanwhile: u64. A hint.
pub const ROUND_END: usize = FLUSHED + 48;

/// Stores that succeeded: u64.
pub const WRITES: usize = 2 * LINE_BYTES;
/// Cells that the shard owns: u64. Derived.
pub const CELLS_USED: usize = WRITES + 8;
/// A run that the shard keeps for its next record: cell, and length above it; 0 for none: u64.
/// Derived.
pub const SPARE_FIRST: usize = WRITES + 16;
/// Another one, kept for longer: u64. Derived.
pub const SPARE_SECOND: usize = WRITES + 24;
/// Cells that may be taken before the room of the dictionary is reckoned again: u32. A hint.
pub const CREDIT: usize = WRITES + 32;
/// Link of the first element whose list has ended: u32. Derived.
pub const DOOMED: usize = WRITES + 36;
/// Entries: u64. Derived.
pub const LIVE: usize = WRITES + 40;
/// Elements of lists: u64. Derived.
pub const ELEMENTS: usize = WRITES + 48;
/// Group where the next cell is looked for, as the number of a cell in it: u32.
pub const NEAR: usize = WRITES + 56;

/// Live entries thrown out: u64.
pub const EVICTIONS: usize = 3 * LINE_BYTES;
/// Expired entries reclaimed: u64.
pub const EXPIRIES: usize = EVICTIONS + 8;
/// Repairs: u64.
pub const REPAIRS: usize = EVICTIONS + 16;
/// Times that the lock was not free at once: u64.
pub const LOCK_WAITS: usize = EVICTIONS + 24;
/// Stores that found no room: u64.
pub const REFUSALS: usize = EVICTIONS + 32;
/// Word of owners where eviction looks next: u32. A hint.
pub const HAND: usize = EVICTIONS + 40;
/// Bucket where the sweeper looks next: u32. A hint.
pub const SWEEP_HAND: usize = EVICTIONS + 44;

/// Entries that eviction takes next: count u32, then a link and a stamp for each. Hints.
pub const CANDIDATES: usize = 4 * LINE_BYTES;

/// Looks at a lock before a thread sleeps on it. A holder needs about 100 ns, a sleep 30,000; all
/// looks together take about as long as a sleep.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 15 };

/// Most pauses between two looks: each look takes the line away from the holder, who had better run
/// undisturbed for some operations.
const PAUSES_MOST: u32 = 64;

/// What a lock answers: how it was found, or that it was not free.
type AnswerOfLock = std::result::Result<Option<Taken>, rustix::io::Errno>;

/// The lock of a shard, held.
#[derive(Debug)]
pub struct Locked<'a> {
    /// The dictionary.
    pub core: Core<'a>,
    /// The number of the shard.
    pub shard: u32,
    fields: Window<'a, SHARD_BYTES>,
    lock: RobustLock<'a>,
    is_open: bool,
    is_kept_out: bool,
}

impl<'a> Locked<'a> {
    /// Takes the lock, waiting up to the timeout of the core.
    #[inline(always)]
    pub(super) fn new(core: Core<'a>, shard: u32) -> Result<Self> {
        let fields = core.fields_of(shard);
        let lock = RobustLock::of(fields.first());
        let answer = lock.try_lock();
        if answer != Ok(Some(Taken::Whole)) || fields.load_half(DIRTY) != 0 {
            Self::settle(core, shard, answer)?;
        }
        fields.store_half(DIRTY, 1);
        crate::fault::point();
        Ok(Self { core, shard, fields, lock, is_open: false, is_kept_out: false })
    }

    /// Takes the lock if it is free: `None` if it is not, or is broken.
    pub(super) fn if_free(core: Core<'a>, shard: u32) -> Option<Self> {
        let fields = core.fields_of(shard);
        let lock = RobustLock::of(fields.first());
        let taken = lock.try_lock().ok()??;
        let mut locked = Self { core, shard, fields, lock, is_open: false, is_kept_out: false };
        locked.make_whole(taken).ok()?;
        Some(locked)
    }

    /// Goes on where the first attempt did not just work: waits, repairs. The lock is held
    /// afterwards.
    #[cold]
    fn settle(core: Core<'a>, shard: u32, first: AnswerOfLock) -> Result<()> {
        let fields = core.fields_of(shard);
        let lock = RobustLock::of(fields.first());
        let first = first.map_err(|errno| Error::LockBroken { shard, errno })?;
        let taken = first.map_or_else(|| Self::wait(core, shard), Ok)?;
        let mut locked = Self { core, shard, fields, lock, is_open: false, is_kept_out: false };
        locked.make_whole(taken)?;
        if first.is_none() {
            locked.count(LOCK_WAITS, 1);
        }
        // The caller makes a guard of his own.
        std::mem::forget(locked);
        Ok(())
    }

    fn wait(core: Core<'a>, shard: u32) -> Result<Taken> {
        let lock = core.lock_of(shard);
        let broken = |errno| Error::LockBroken { shard, errno };
        for look in 0..LOOKS {
            (0..(1 << look).min(PAUSES_MOST)).for_each(|_| spin());
            // An attempt costs the holder more than a look.
            if lock.owner_thread() == 0
                && let Some(taken) = lock.try_lock().map_err(broken)?
            {
                return Ok(taken);
            }
        }
        let start = Instant::now();
        let taken = lock.lock_until(start + core.lock_timeout).map_err(broken)?;
        taken.ok_or_else(|| {
            let waited_ms = start.elapsed().as_millis() as u64;
            let owner_pid = process_of_thread(lock.owner_thread());
            Error::LockTimeout { shard, owner_pid, waited_ms }
        })
    }

    /// The lock was taken; what it guards is repaired if need be.
    fn make_whole(&mut self, taken: Taken) -> Result<()> {
        if taken == Taken::OwnerDied || self.half(DIRTY) != 0 {
            self.rescue(taken)?;
        }
        self.set_half(DIRTY, 1);
        Ok(())
    }

    /// Repairs what a dead owner, or a panic, has left. From here on `DIRTY` says what is to be
    /// done, to the next owner, too: a lock given back by a panic while it still told of the death
    /// would be lost for good.
    #[cold]
    fn rescue(&mut self, taken: Taken) -> Result<()> {
        self.set_half(DIRTY, 1);
        if taken == Taken::OwnerDied {
            let shard = self.shard;
            self.lock.make_consistent().map_err(|errno| Error::LockBroken { shard, errno })?;
        }
        self.repair();
        Ok(())
    }

    /// True if a store was refused because others hold the shards of whoever could go.
    #[inline(always)]
    pub fn is_kept_out(&self) -> bool {
        self.is_kept_out
    }

    /// Notes that a store is refused for that reason.
    pub fn note_kept_out(&mut self) {
        self.is_kept_out = true;
    }

    /// A field of eight bytes.
    #[inline(always)]
    pub fn field(&self, field: usize) -> u64 {
        self.fields.load(field)
    }

    /// Writes a field of eight bytes.
    #[inline(always)]
    pub fn set_field(&self, field: usize, value: u64) {
        self.fields.store(field, value);
    }

    /// Adds to a field of eight bytes.
    #[inline(always)]
    pub fn count(&self, field: usize, by: u64) {
        self.set_field(field, self.field(field).wrapping_add(by));
    }

    /// Subtracts from a field of eight bytes; a damaged counter stays at zero.
    #[inline(always)]
    pub fn discount(&self, field: usize, by: u64) {
        self.set_field(field, self.field(field).saturating_sub(by));
    }

    /// A field of four bytes.
    #[inline(always)]
    pub fn half(&self, field: usize) -> u32 {
        self.fields.load_half(field)
    }

    /// A field of four bytes that others write, too.
    #[inline(always)]
    pub fn half_place(&self, field: usize) -> &'a AtomicU32 {
        self.fields.half(field)
    }

    /// Writes a field of four bytes.
    #[inline(always)]
    pub fn set_half(&self, field: usize, value: u32) {
        self.fields.store_half(field, value);
    }

    /// A version that nothing in this shard has had.
    #[inline(always)]
    pub fn next_version(&self) -> u64 {
        // Wraps only where damage has put the last number there.
        let version = self.field(VERSION).wrapping_add(1);
        self.set_field(VERSION, version);
        version
    }

    /// From here on readers are warned off: entries change.
    #[inline(always)]
    pub fn open(&mut self) {
        if !self.is_open {
            self.set_field(SEQUENCE, self.field(SEQUENCE) | 1);
            self.is_open = true;
        }
        // A reader that sees any of the changes below sees the odd sequence, too.
        fence(Ordering::Release);
        crate::fault::point();
    }

    /// Entries are whole again.
    #[inline(always)]
    pub fn close(&mut self) {
        crate::fault::point();
        let odd = self.field(SEQUENCE) | 1;
        self.fields.word(SEQUENCE).store(odd.wrapping_add(1), Ordering::Release);
        self.is_open = false;
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        crate::fault::point();
        if !std::thread::panicking() {
            debug_assert!(!self.is_open, "an operation closes what it opened");
            self.set_half(DIRTY, 0);
        }
        crate::fault::point();
        self.lock.unlock();
    }
}

/// The process that a thread belongs to; the thread's own number if it cannot be found out.
fn process_of_thread(thread: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    group.and_then(|number| number.trim().parse().ok()).unwrap_or(thread)
}
