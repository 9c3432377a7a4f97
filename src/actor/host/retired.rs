//! Code and shared tables that were replaced, and services that sleep on them.
//!
//! A VM lets go of an image when a full collection meets no function or table that comes from it. A
//! service that sleeps collects nothing, so it would keep code that it has long replaced. Some time
//! after versions were retired, if some are still in use, the warden therefore asks all services, a
//! few at a time, and those that hold such an image collect their garbage: once for each service
//! and round.
//!
//! Rounds are rare: a minute lies between two of them, and without another retirement there is no
//! other round. What a service really runs stays, and it is not asked again. A host whose cache is
//! never cleared pays one read whenever the warden looks, which is while services run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moonhive_kernel::address::Address;

use super::core::Core;
use crate::actor::limits::{
    RETIRED_CODE_GAP, RETIRED_CODE_PORTION, RETIRED_CODE_TICK, RETIRED_CODE_WAIT,
};
use crate::actor::message::Message;

/// What the warden remembers of them.
#[derive(Default)]
pub(super) struct Rounds {
    calendar: Calendar,
    /// Services that are still to be asked in this round.
    left: Vec<Address>,
}

impl Rounds {
    /// Does what is due and returns the time until more may be; `None` if nothing will be unless
    /// code is retired.
    pub(super) fn advance(&mut self, core: &Core) -> Option<Duration> {
        let pause = match self.calendar.advance(core.retirements(), Instant::now) {
            Due::Never => None,
            Due::In(pause) => Some(pause),
            Due::Now => {
                self.begin(core);
                None
            }
        };
        if self.left.is_empty() {
            return pause;
        }
        self.ask_some(core);
        Some(RETIRED_CODE_TICK)
    }

    fn begin(&mut self, core: &Core) {
        if core.holds_retired() {
            core.table.for_each(|address, _| self.left.push(address));
        }
    }

    fn ask_some(&mut self, core: &Core) {
        let rest = self.left.len().saturating_sub(RETIRED_CODE_PORTION);
        for address in self.left.drain(rest..) {
            let service: Option<Arc<_>> = core.table.get(address);
            if let Some(service) = service {
                service.control(Message::LetGo);
            }
        }
    }
}

/// When rounds take place.
#[derive(Debug, Default)]
struct Calendar {
    /// Retirements when the last round was planned.
    seen: u64,
    next: Option<Instant>,
    last: Option<Instant>,
}

/// The next round.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Never,
    In(Duration),
    Now,
}

impl Calendar {
    /// Plans a round if there were retirements since the last one was planned. The clock is read
    /// only when there is something to plan.
    fn advance(&mut self, retirements: u64, clock: impl Fn() -> Instant) -> Due {
        if self.next.is_none() && retirements == self.seen {
            return Due::Never;
        }
        let now = clock();
        let next = *self.next.get_or_insert_with(|| {
            let earliest = self.last.map_or(now, |last| last + RETIRED_CODE_GAP);
            earliest.max(now + RETIRED_CODE_WAIT)
        });
        if now < next {
            return Due::In(next - now);
        }
        // What is retired from here on needs another round.
        (self.seen, self.next, self.last) = (retirements, None, Some(now));
        Due::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_retirements_nothing_is_ever_due() {
        let mut calendar = Calendar::default();
        let no_clock = || -> Instant { panic!("the clock is not read") };
        assert_eq!(calendar.advance(0, no_clock), Due::Never);
        assert_eq!(calendar.advance(0, no_clock), Due::Never);
    }

    #[test]
    fn a_retirement_is_followed_by_one_round() {
        let (mut calendar, start) = (Calendar::default(), Instant::now());
        assert_eq!(calendar.advance(1, || start), Due::In(RETIRED_CODE_WAIT));
        let soon = start + RETIRED_CODE_WAIT / 2;
        assert_eq!(calendar.advance(2, || soon), Due::In(RETIRED_CODE_WAIT / 2));
        assert_eq!(calendar.advance(2, || start + RETIRED_CODE_WAIT), Due::Now);
        assert_eq!(calendar.advance(2, || start + RETIRED_CODE_WAIT), Due::Never);
    }

    #[test]
    fn rounds_lie_apart_however_often_code_is_retired() {
        let (mut calendar, start) = (Calendar::default(), Instant::now());
        let seconds = |count: u64| start + Duration::from_secs(count);
        let rounds: Vec<u64> = (0..600)
            .filter(|&second| calendar.advance(second, || seconds(second)) == Due::Now)
            .collect();
        assert_eq!(rounds.len(), 10, "{rounds:?}");
        let gaps = rounds.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.into_iter().all(|gap| gap >= RETIRED_CODE_GAP.as_secs()), "{rounds:?}");
    }
}
