//! The one door to atomics: the real ones, or loom's under `--cfg loom`.
//!
//! Loom runs a test under every interleaving that the memory model allows, but sees only its own
//! types. What a lock-free reader and a writer share goes through the names below.

#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Lets the other thread go on while this one spins.
pub fn spin() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
