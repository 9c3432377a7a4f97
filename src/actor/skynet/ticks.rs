//! Time as skynet counts it: ticks of 10 ms that begin with those of the calendar's second, and
//! timers that are due when a tick begins, in the order in which they were set.
//!
//! A sleep of one tick ends at the next one, so it may last less than 10 ms; a program that sleeps
//! again and again stays in step with the ticks, and reads at each wake-up from `skynet.now()` what
//! it reckoned with.
//!
//! Ticks are long, and programs ask for the time with every timer: a recent reading of the clock
//! will do. As skynet's own, which a thread of it takes every 2.5 ms, it may be late in a turn that
//! takes its time; it is never behind a timer that has fired, nor behind what another service said.

use moonhive_kernel::timer::TimerKey;

use crate::actor::fault::Fault;
use crate::actor::host::workload::Timer;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::state::arming::too_many_timers;
use crate::actor::task::Wait;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::token::Token;
use crate::vm::Stack;

const TICK_MS: u64 = 10;

/// A moment at which a tick begins, by the host's clock.
#[derive(Debug, Clone, Copy)]
struct Due {
    now_ms: u64,
    due_ms: u64,
}

impl State {
    /// Ticks since the beginning of the second in which the host began.
    pub(crate) fn ticks(&self) -> u64 {
        (self.begun_ms() + self.core.handle.recent_ms()) / TICK_MS
    }

    /// The second since 1970 in which the host began.
    pub(crate) fn started_unix_s(&self) -> u64 {
        self.core.started_unix.as_secs()
    }

    /// What had passed of that second.
    fn begun_ms(&self) -> u64 {
        self.core.started_unix.subsec_millis().into()
    }

    fn due_in(&self, ticks: u64) -> Due {
        let (begun_ms, now_ms) = (self.begun_ms(), self.core.handle.recent_ms());
        let tick = ((begun_ms + now_ms) / TICK_MS).saturating_add(ticks);
        Due { now_ms, due_ms: tick.saturating_mul(TICK_MS).saturating_sub(begun_ms) }
    }

    /// The running task waits for `token`, or until so many ticks have begun.
    ///
    /// # Errors
    /// As [`State::begin_wait`].
    pub(crate) fn wait_ticks(&self, token: Token, ticks: u64) -> Result<(), Fault> {
        let session = self.begin_wait(None)?.session;
        let alarm = self.arm_at_tick(self.due_in(ticks), Alarm::Wait(session));
        let alarm = alarm.inspect_err(|_| self.cancel_wait())?;
        self.waiters.borrow_mut().add(token.clone(), session);
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.wait = Wait::Token(token);
            task.alarm = Some(alarm);
        }
        Ok(())
    }

    /// A task that runs the function at `first` with the arguments above it once so many ticks have
    /// begun.
    ///
    /// # Errors
    /// `overload` at the limit of tasks or timers.
    pub(crate) fn timer_in_ticks(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        ticks: u64,
    ) -> Result<Key, Fault> {
        let due = self.due_in(ticks);
        self.timer_by(stack, first, |key| self.arm_at_tick(due, Alarm::Begin(key.to_bits())))
    }

    /// Timers of all services lie in one order.
    #[inline(always)]
    fn arm_at_tick(&self, due: Due, alarm: Alarm) -> Result<TimerKey, Fault> {
        let timer = Timer::Service { service: self.service.clone(), alarm: alarm.pack() };
        self.core.handle.arm_at(due.now_ms, due.due_ms, timer).map_err(too_many_timers)
    }
}
