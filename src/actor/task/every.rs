//! How a repeated timer goes on: when its next run is due, and which of its failures the log tells.
//!
//! A function that fails a thousand times a second must not fill the log. So the first failure is
//! told and each doubling of their number, and in any case one a minute. After a minute without
//! failure they are counted anew: a timer that fails once an hour is told of every time.

use crate::actor::limits::REPEATED_FAILURE_QUIET;

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Every {
    pub(crate) interval_ns: u64,
    pub(crate) due_ns: u64,
    /// It was cancelled while it ran.
    pub(crate) cancelled: bool,
    /// Runs that failed, without a minute between any two of them.
    failures: u64,
    failed_ns: u64,
    /// When the log told of the last that it told of.
    told_ns: u64,
}

impl Every {
    pub(crate) fn new(interval_ns: u64, now_ns: u64) -> Every {
        let due_ns = now_ns.saturating_add(interval_ns);
        Every { interval_ns, due_ns, ..Every::default() }
    }

    /// The next time it is due after `now_ns`: times that have passed are left out.
    pub(crate) fn next_due_ns(&self, now_ns: u64) -> u64 {
        let late_ns = now_ns.saturating_sub(self.due_ns);
        let missed = late_ns / self.interval_ns;
        self.due_ns.saturating_add(self.interval_ns.saturating_mul(missed + 1))
    }

    /// A run has failed: its number among the failures, if the log should tell of it.
    pub(crate) fn note_failure(&mut self, now_ns: u64) -> Option<u64> {
        if is_past(self.failed_ns, now_ns) {
            self.failures = 0;
        }
        self.failures += 1;
        self.failed_ns = now_ns;
        if !self.failures.is_power_of_two() && !is_past(self.told_ns, now_ns) {
            return None;
        }
        self.told_ns = now_ns;
        Some(self.failures)
    }
}

/// True for what was so long ago that it does not count any more.
fn is_past(then_ns: u64, now_ns: u64) -> bool {
    u128::from(now_ns.saturating_sub(then_ns)) >= REPEATED_FAILURE_QUIET.as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: u64 = 60_000_000_000;

    #[test]
    fn a_repeated_timer_keeps_its_rhythm_and_leaves_out_what_it_missed() {
        let every = Every::new(10, 90);
        assert_eq!(every.next_due_ns(100), 110);
        assert_eq!(every.next_due_ns(109), 110);
        assert_eq!(every.next_due_ns(135), 140);
    }

    #[test]
    fn failures_in_quick_succession_are_told_at_each_doubling() {
        let mut every = Every::new(1, 0);
        let told: Vec<_> = (1..=100).filter_map(|now_ns| every.note_failure(now_ns)).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn seldom_failures_are_all_told_and_each_is_the_first() {
        let mut every = Every::new(1, 0);
        for minute in 1..10 {
            assert_eq!(every.note_failure(minute * MINUTE_NS), Some(1));
        }
    }

    #[test]
    fn failures_that_never_cease_are_told_once_a_minute() {
        let mut every = Every::new(1, 0);
        let seconds = (0..600).map(|second| second * (MINUTE_NS / 60));
        let told: Vec<_> = seconds.filter_map(|now_ns| every.note_failure(now_ns)).collect();
        assert_eq!(
            told,
            [1, 2, 4, 8, 16, 32, 64, 124, 128, 188, 248, 256, 316, 376, 436, 496, 512, 572]
        );
    }
}
