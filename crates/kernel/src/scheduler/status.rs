//! What a worker lets others see of itself: for the thread that watches for turns that overrun,
//! and for statistics.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread;

/// One worker as seen from outside. Written by that worker alone, with plain stores.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    /// Turns begun plus turns ended: odd while a turn runs.
    turn: AtomicU64,
    turn_started_ns: AtomicU64,
    thefts: AtomicU64,
    sleeps: AtomicU64,
    /// The thread as the system's thread library names it; 0 until known.
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
    thread: AtomicU64,
}

impl WorkerStatus {
    /// A number that changes whenever a turn begins or ends; odd while one runs.
    pub fn turn_sequence(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Turns that have ended.
    pub fn turns(&self) -> u64 {
        self.turn_sequence() / 2
    }

    /// How often this worker took tasks from another one.
    pub fn thefts(&self) -> u64 {
        self.thefts.load(Ordering::Relaxed)
    }

    /// How often this worker went to sleep.
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::Relaxed)
    }

    /// When the turn that runs now began, by the scheduler's clock, and its
    /// [`turn_sequence`](Self::turn_sequence); `None` between turns.
    pub fn running_turn(&self) -> Option<(u64, u64)> {
        let sequence = self.turn_sequence();
        let started_ns = self.turn_started_ns.load(Ordering::Acquire);
        let still = self.turn.load(Ordering::Acquire) == sequence;
        (sequence % 2 == 1 && still).then_some((sequence, started_ns))
    }

    /// The worker's `pthread_t`, for a signal; `None` before the scheduler has started. Valid until
    /// the [`Scheduler`](super::Scheduler) has joined the thread.
    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
    pub fn thread(&self) -> Option<std::os::unix::thread::RawPthread> {
        let thread = self.thread.load(Ordering::Acquire);
        (thread != 0).then_some(thread)
    }

    pub(super) fn count_theft(&self) {
        self.thefts.store(self.thefts() + 1, Ordering::Relaxed);
    }

    pub(super) fn count_sleep(&self) {
        self.sleeps.store(self.sleeps() + 1, Ordering::Relaxed);
    }

    pub(super) fn begin_turn(&self, now_ns: u64) {
        self.turn_started_ns.store(now_ns, Ordering::Release);
        self.turn.store(self.turn.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(super) fn end_turn(&self) {
        self.turn.store(self.turn.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
    pub(super) fn note_thread(&self, thread: &thread::JoinHandle<()>) {
        use std::os::unix::thread::JoinHandleExt;
        self.thread.store(thread.as_pthread_t(), Ordering::Release);
    }

    #[cfg(not(all(target_os = "linux", target_pointer_width = "64", not(loom))))]
    pub(super) fn note_thread(&self, _thread: &thread::JoinHandle<()>) {}
}
