//! Locks between processes, and what the model checker gets in their place.

#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod robust;

/// Room that a lock takes in a segment: one cache line, larger than any C library's mutex.
pub const LOCK_BYTES: usize = 64;

/// How a lock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its last owner gave it back.
    Whole,
    /// Its last owner died holding it: what it guards must be repaired first.
    OwnerDied,
}

#[cfg(loom)]
pub use model::{RobustLock, abi};
#[cfg(not(loom))]
pub use robust::{RobustLock, abi};
