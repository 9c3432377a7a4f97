//! Making way for a worker that was just woken.
//!
//! The kernel of a virtual machine takes a processor that sleeps for one that it cannot have, and
//! puts the woken thread beside the one that woke it. There it waits for the end of a time slice, 3
//! to 5 ms, while the other processor sleeps on. So who wakes a worker and goes on with a turn
//! yields its processor once: a thread that waits there runs first. Where none waits, the call
//! returns at once (0.3 us; what woke the worker took 2).
//!
//! Measured with two workers on two virtual processors, a message every 30 ms whose sender goes on
//! computing for 10: it was at work after 450 to 6,800 us in the mean, and is after 24 to 47.
//!
//! On a processor that other programs want as well a yield costs one of their slices. So one that
//! took long closes the way for a while: no more than a fiftieth of the time is given away.

use std::cell::Cell;

use crate::clock::Clock;
use crate::sync::thread;

/// A yield that takes longer has let more than the woken worker run.
const LONG_NS: u64 = 500_000;
/// So many times as long nothing is yielded after that.
const CLOSED_TIMES: u64 = 50;

/// Whether one worker makes way. Written by that worker alone.
pub(super) struct Way {
    closed_until_ns: Cell<u64>,
}

impl Way {
    pub(super) fn new() -> Self {
        Self { closed_until_ns: Cell::new(0) }
    }

    /// The calling worker has woken another one in the middle of a turn.
    #[cold]
    pub(super) fn make(&self, clock: &Clock) {
        if !cfg!(loom) {
            self.make_by(|| clock.now_ns(), thread::yield_now);
        }
    }

    fn make_by(&self, now_ns: impl Fn() -> u64, yield_now: impl FnOnce()) {
        let began_ns = now_ns();
        if began_ns < self.closed_until_ns.get() {
            return;
        }
        yield_now();
        let ended_ns = now_ns();
        let took_ns = ended_ns.saturating_sub(began_ns);
        if took_ns > LONG_NS {
            let closed_ns = took_ns.saturating_mul(CLOSED_TIMES);
            self.closed_until_ns.set(ended_ns.saturating_add(closed_ns));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Makes way at `now_ns`; how long the yield took, if there was one, is `cost_ns`. Returns
    /// whether there was.
    fn yields(way: &Way, now_ns: u64, cost_ns: u64) -> bool {
        let (time, yielded) = (Cell::new(now_ns), Cell::new(false));
        way.make_by(
            || time.get(),
            || {
                time.set(now_ns + cost_ns);
                yielded.set(true);
            },
        );
        yielded.get()
    }

    #[test]
    fn a_worker_that_gets_its_processor_back_soon_makes_way_each_time() {
        let way = Way::new();
        assert!((0..100).all(|round| yields(&way, 1 + round * 1_000, LONG_NS)));
    }

    #[test]
    fn a_worker_that_waits_for_its_processor_gives_away_a_fiftieth_of_its_time() {
        let way = Way::new();
        let (mut now_ns, mut given_ns) = (1, 0);
        for _ in 0..10_000 {
            let cost_ns = 3_000_000;
            if yields(&way, now_ns, cost_ns) {
                now_ns += cost_ns;
                given_ns += cost_ns;
            }
            now_ns += 100_000;
        }
        assert!(given_ns > 0 && given_ns <= now_ns / CLOSED_TIMES + 3_000_000, "{given_ns}");
    }
}
