//! Kill points: places where the crash tests let a process die.
//!
//! Without the feature `fault-injection` a point is nothing. With it, each point that is passed
//! counts one down, and the process kills itself with SIGKILL at the one that [`arm`] chose, or
//! panics. Random kills hit a critical section in a twentieth of the cases; these hit each step of
//! each operation.

#[cfg(feature = "fault-injection")]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Points left to pass; 0 is never reached again.
#[cfg(feature = "fault-injection")]
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Points passed since the process began.
#[cfg(feature = "fault-injection")]
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Whether the chosen point panics instead.
#[cfg(feature = "fault-injection")]
static PANICS: AtomicBool = AtomicBool::new(false);

/// The process dies at the `nth` point from now, from 1; 0 disarms.
#[cfg(feature = "fault-injection")]
pub fn arm(nth: u64) {
    PANICS.store(false, Ordering::SeqCst);
    LEFT.store(nth, Ordering::SeqCst);
}

/// The thread that passes the `nth` point from now, from 1, panics there.
#[cfg(feature = "fault-injection")]
pub fn arm_panic(nth: u64) {
    PANICS.store(true, Ordering::SeqCst);
    LEFT.store(nth, Ordering::SeqCst);
}

/// Points passed so far.
#[cfg(feature = "fault-injection")]
pub fn passed() -> u64 {
    PASSED.load(Ordering::SeqCst)
}

/// A place where the process may die.
#[inline(always)]
pub fn point() {
    #[cfg(feature = "fault-injection")]
    {
        PASSED.fetch_add(1, Ordering::SeqCst);
        let left = LEFT.load(Ordering::SeqCst);
        if left > 0 {
            LEFT.store(left - 1, Ordering::SeqCst);
            if left == 1 {
                assert!(!PANICS.load(Ordering::SeqCst), "a panic at a chosen point");
                let own = rustix::process::getpid();
                let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            }
        }
    }
}
