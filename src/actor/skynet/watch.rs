//! Stop watches of tasks: time on a worker, without the time in which a task waits
//! (`skynet.profile`).

use std::time::Duration;

use super::Skynet;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::vm::ticks::ticks;

/// A watch that goes while its task runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    number: u64,
    task: Key,
    /// Of earlier stretches.
    passed: u64,
    /// When the present stretch began; none while the task waits.
    mark: Option<u64>,
}

impl Watch {
    /// What it shows.
    fn shown(&self) -> u64 {
        self.passed + self.mark.map_or(0, |mark| ticks().saturating_sub(mark))
    }
}

impl State {
    /// The time of every run is measured from now on, not of some that stand for all.
    pub(crate) fn measure_exactly(&self) {
        self.profile.borrow_mut().measure_exactly();
    }

    /// How long the present run of the service's code has taken so far: since the message came, the
    /// timer expired or the wait ended that let it run.
    pub(crate) fn time_of_this_run(&self) -> Duration {
        self.core.scale().duration(self.profile.borrow().present_run())
    }
}

impl Skynet {
    /// A watch for a task, which goes at once if the task runs; returns its number.
    pub(crate) fn begin_watch(&self, task: Key, goes: bool) -> u64 {
        let number = self.watches_begun.get() + 1;
        self.watches_begun.set(number);
        let mark = goes.then(ticks);
        self.watches.borrow_mut().push(Watch { number, task, passed: 0, mark });
        number
    }

    /// The ticks that a watch shows, or nothing if there is none of that number.
    pub(crate) fn read_watch(&self, number: u64) -> Option<u64> {
        let watches = self.watches.borrow();
        watches.iter().find(|watch| watch.number == number).map(Watch::shown)
    }

    /// Ends a watch; the ticks it showed, or nothing if there was none of that number.
    pub(crate) fn end_watch(&self, number: u64) -> Option<u64> {
        let mut watches = self.watches.borrow_mut();
        let place = watches.iter().position(|watch| watch.number == number)?;
        Some(watches.swap_remove(place).shown())
    }

    /// A task goes on.
    #[inline(always)]
    pub(in crate::actor) fn start_watches(&self, task: Key) {
        if self.watches.borrow().is_empty() {
            return;
        }
        for watch in self.watches.borrow_mut().iter_mut().filter(|watch| watch.task == task) {
            watch.mark = Some(ticks());
        }
    }

    /// A task waits or has ended.
    #[inline(always)]
    pub(in crate::actor) fn stop_watches(&self, task: Key) {
        if self.watches.borrow().is_empty() {
            return;
        }
        for watch in self.watches.borrow_mut().iter_mut().filter(|watch| watch.task == task) {
            watch.passed = watch.shown();
            watch.mark = None;
        }
    }

    /// A task has ended with its watch still on.
    #[inline(always)]
    pub(in crate::actor) fn drop_watch(&self, task: Key) {
        if !self.watches.borrow().is_empty() {
            self.watches.borrow_mut().retain(|watch| watch.task != task);
        }
    }
}
