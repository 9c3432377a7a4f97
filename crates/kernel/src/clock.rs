//! Monotonic time of one host, counted from its start.
//!
//! One reading costs what the system's monotonic clock costs (about 22 ns, no system call), so a
//! worker reads it once a turn and hands the reading on. Milliseconds are rounded down: a
//! millisecond counts once it is complete, which is what makes timers never early.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a millisecond.
pub const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// A monotonic clock; copies share one origin.
///
/// ```
/// use moonhive_kernel::clock::Clock;
/// let clock = Clock::start();
/// let before = clock.now_ns();
/// assert!(clock.now_ns() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What the system's clock showed at the start.
    origin_ns: u64,
    /// The same moment, or right after it.
    origin: Instant,
}

impl Clock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self { origin_ns: system_ns(), origin: Instant::now() }
    }

    /// Nanoseconds since the start; enough for 584 years. Under loom time stands still.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        if cfg!(loom) { 0 } else { system_ns().saturating_sub(self.origin_ns) }
    }

    /// Complete milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        self.now_ns() / NANOSECONDS_PER_MS
    }

    /// The same as the kernel noted it at its last timer interrupt: late by up to a jiffy (4 ms
    /// where it has 250 of them a second, as Debian's), for a quarter of the cost. Never goes back,
    /// and all threads see the same.
    pub(crate) fn noted_ms(&self) -> u64 {
        if cfg!(loom) {
            return 0;
        }
        let noted_ns = nanoseconds(clock_gettime(ClockId::MonotonicCoarse));
        noted_ns.saturating_sub(self.origin_ns) / NANOSECONDS_PER_MS
    }

    /// The first tick that is not before `delay` from now: what a timer must be armed for.
    /// Saturates at the end of time.
    pub fn deadline_ms(&self, delay: Duration) -> u64 {
        let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.now_ns().saturating_add(delay_ns).div_ceil(NANOSECONDS_PER_MS)
    }

    /// The instant at which [`now_ms`](Self::now_ms) first reads `time_ms`; `None` for
    /// [`u64::MAX`], which means never, and for what the system cannot express.
    pub fn instant_of(&self, time_ms: u64) -> Option<Instant> {
        if time_ms == u64::MAX {
            return None;
        }
        self.origin.checked_add(Duration::from_millis(time_ms))
    }
}

/// The system's monotonic clock. An [`Instant`] shows the same, in four times as many instructions.
#[inline]
fn system_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

#[inline]
fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_before_the_delay_has_passed() {
        let clock = Clock::start();
        for delay_ns in [0, 1, 999_999, 1_000_000, 1_000_001, 5_500_000] {
            let before_ns = clock.now_ns();
            let deadline = clock.deadline_ms(Duration::from_nanos(delay_ns));
            assert!(deadline * NANOSECONDS_PER_MS >= before_ns + delay_ns);
            let after_ns = clock.now_ns();
            assert!(deadline * NANOSECONDS_PER_MS < after_ns + delay_ns + NANOSECONDS_PER_MS);
        }
    }

    #[test]
    fn what_the_kernel_noted_is_never_ahead_of_the_clock_and_follows_it() {
        let clock = Clock::start();
        let begun = Instant::now();
        let mut last_ms = 0;
        while last_ms < 50 {
            let noted_ms = clock.noted_ms();
            assert!(noted_ms <= clock.now_ms());
            assert!(noted_ms >= last_ms);
            assert!(begun.elapsed() < Duration::from_secs(10), "it stands at {noted_ms}");
            last_ms = noted_ms;
        }
    }

    #[test]
    fn an_endless_delay_saturates() {
        let clock = Clock::start();
        assert_eq!(clock.deadline_ms(Duration::MAX), u64::MAX.div_ceil(NANOSECONDS_PER_MS));
    }

    #[test]
    fn the_instant_of_a_tick_reads_back_as_that_tick() {
        let clock = Clock::start();
        let instant = clock.instant_of(1).expect("one millisecond can be expressed");
        while Instant::now() < instant {
            std::hint::spin_loop();
        }
        assert!(clock.now_ms() >= 1);
    }
}
