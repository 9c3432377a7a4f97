//! Giving memory of ended services back to the system.
//!
//! An allocator keeps what was freed for some time, and what one thread freed of another's pages
//! stays with that other thread until it allocates again. A host that goes quiet after a thousand
//! services have ended would keep their memory for good. So some time after enough of it was freed,
//! every worker is asked to have its allocator let go; how is up to whoever chose the allocator.
//!
//! Napkin: at most one round in [`TRIM_DELAY`]; a round costs each worker a look at its pages (0.6
//! ms for 2 GiB) and the system calls for what is free.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::actor::host::core::Core;
use crate::actor::host::workload::Timer;
use crate::actor::limits::{TRIM_BYTES, TRIM_DELAY};

/// What has ended since the last round.
#[derive(Debug, Default)]
pub(in crate::actor) struct Trim {
    /// Lua memory of services that have ended; written by the workers.
    ended_bytes: AtomicUsize,
    /// A round is on its way.
    is_armed: AtomicBool,
}

impl Trim {
    /// A round begins.
    pub(in crate::actor) fn begin(&self) {
        self.ended_bytes.store(0, Ordering::Relaxed);
        self.is_armed.store(false, Ordering::Release);
    }
}

impl Core {
    /// A service has ended that used this much memory.
    pub(super) fn note_freed(&self, memory_bytes: usize) {
        let trim = &self.trim;
        let ended_bytes = trim.ended_bytes.fetch_add(memory_bytes, Ordering::Relaxed);
        let is_due = self.settings.trim.is_some() && ended_bytes + memory_bytes >= TRIM_BYTES;
        if !is_due || trim.is_armed.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.handle.arm(TRIM_DELAY, Timer::Trim).is_err() {
            // Too many timers: the next service that ends tries again.
            trim.is_armed.store(false, Ordering::Release);
        }
    }
}
