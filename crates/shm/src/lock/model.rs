//! A lock that loom and Miri understand: a spinning flag in the segment's own words. Nobody dies in
//! a model.

use std::time::Instant;

use rustix::io::Errno;

use super::{LOCK_BYTES, Taken};
use crate::memory::{Memory, Window};
use crate::sync::{Ordering, spin};

/// No C library takes part.
pub fn abi() -> u64 {
    0
}

/// A lock in the modelled memory.
#[derive(Clone, Copy, Debug)]
pub struct RobustLock<'a>(Window<'a, LOCK_BYTES>);

impl<'a> RobustLock<'a> {
    /// The lock at that place.
    pub fn at(memory: &'a Memory, offset: usize) -> Self {
        Self(memory.window(offset))
    }

    /// The lock in a window.
    pub fn of(window: Window<'a, LOCK_BYTES>) -> Self {
        Self(window)
    }

    /// Zeroed memory is a free lock already.
    pub fn initialise(self) {}

    /// Always: nothing else is in a model.
    pub fn is_of_our_kind(self) -> bool {
        true
    }

    /// True if nobody holds it.
    pub fn is_sound(self) -> bool {
        self.0.half(0).load(Ordering::Relaxed) == 0
    }

    /// Takes the lock if it is free.
    pub fn try_lock(self) -> Result<Option<Taken>, Errno> {
        let word = self.0.half(0);
        let taken = word.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        Ok(taken.then_some(Taken::Whole))
    }

    /// Takes the lock. Time does not pass in a model.
    pub fn lock_until(self, _deadline: Instant) -> Result<Option<Taken>, Errno> {
        loop {
            if let Some(taken) = self.try_lock()? {
                return Ok(Some(taken));
            }
            spin();
        }
    }

    /// Never needed.
    pub fn make_consistent(self) -> Result<(), Errno> {
        Ok(())
    }

    /// Gives the lock back.
    pub fn unlock(self) {
        self.0.half(0).store(0, Ordering::Release);
    }

    /// Not recorded.
    pub fn owner_thread(self) -> u32 {
        0
    }
}
