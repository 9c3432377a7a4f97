//! Locks between processes, and what loom and Miri get in their place: neither knows robust ones.

#[cfg(any(loom, miri))]
mod model;
#[cfg(not(any(loom, miri)))]
mod robust;

/// Room that a lock takes in a segment: the mutex of the C library, which glibc makes larger on
/// ARM. What its owner writes each time comes right behind it, in the same cache line, as far as
/// that goes.
pub const LOCK_BYTES: usize = if cfg!(target_arch = "aarch64") { 48 } else { 40 };

/// How a lock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its last owner gave it back.
    Whole,
    /// Its last owner died holding it: what it guards must be repaired first.
    OwnerDied,
}

#[cfg(any(loom, miri))]
pub use model::{RobustLock, abi};
#[cfg(not(any(loom, miri)))]
pub use robust::{RobustLock, abi};
