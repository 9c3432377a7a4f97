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
    task: Key,
    /// Of earlier stretches.
    passed: u64,
    /// When the present stretch began.
    mark: u64,
}

impl Watch {
    /// What it shows while its task runs.
    fn shown(&self) -> u64 {
        self.passed + ticks().saturating_sub(self.mark)
    }
}

impl State {
    /// The time of every run is measured from now on, not of some that stand for all.
    pub(crate) fn measure_exactly(&self) {
        self.profile.borrow_mut().measure_exactly();
    }

    /// How long the present run of the service's code has taken so far: since the message came, the timer
    /// expired or the wait ended that let it run.
    pub(crate) fn time_of_this_run(&self) -> Duration {
        self.core.scale().duration(self.profile.borrow().present_run())
    }
}

impl Skynet {
    /// Starts a watch for the running task; false if it has one.
    pub(crate) fn begin_watch(&self, task: Key) -> bool {
        let mut watches = self.watches.borrow_mut();
        let is_new = watches.iter().all(|watch| watch.task != task);
        if is_new {
            watches.push(Watch { task, passed: 0, mark: ticks() });
        }
        is_new
    }

    /// The ticks that the watch of the running task shows, or nothing if there is none.
    pub(crate) fn read_watch(&self, task: Key) -> Option<u64> {
        let watches = self.watches.borrow();
        watches.iter().find(|watch| watch.task == task).map(Watch::shown)
    }

    /// Ends the watch of the running task; the ticks it showed, or nothing if there was none.
    pub(crate) fn end_watch(&self, task: Key) -> Option<u64> {
        let mut watches = self.watches.borrow_mut();
        let place = watches.iter().position(|watch| watch.task == task)?;
        Some(watches.swap_remove(place).shown())
    }

    /// A task goes on.
    #[inline]
    pub(in crate::actor) fn start_watches(&self, task: Key) {
        if self.watches.borrow().is_empty() {
            return;
        }
        for watch in self.watches.borrow_mut().iter_mut().filter(|watch| watch.task == task) {
            watch.mark = ticks();
        }
    }

    /// A task waits or has ended.
    #[inline]
    pub(in crate::actor) fn stop_watches(&self, task: Key) {
        if self.watches.borrow().is_empty() {
            return;
        }
        for watch in self.watches.borrow_mut().iter_mut().filter(|watch| watch.task == task) {
            watch.passed += ticks().saturating_sub(watch.mark);
        }
    }

    /// A task has ended with its watch still on.
    #[inline]
    pub(in crate::actor) fn drop_watch(&self, task: Key) {
        if !self.watches.borrow().is_empty() {
            self.watches.borrow_mut().retain(|watch| watch.task != task);
        }
    }
}
