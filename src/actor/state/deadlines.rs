//! Deadlines of tasks: until when the running one may work, and all who work for it.
//!
//! A deadline becomes a timer only when its task waits, so one that ends before costs nothing.

use std::time::Duration;

use super::State;
use crate::actor::fault::{Code, Fault};
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::{Deadlines, NEVER_MS, Task};

impl State {
    /// Begins a deadline for the running task; returns the number that ends it.
    ///
    /// # Errors
    /// When no task runs.
    pub(crate) fn begin_scope(&self, timeout: Duration) -> Result<u64, Fault> {
        let key = self.current_task()?;
        let deadline_ms = self.core.handle.clock().deadline_ms(timeout);
        let mut tasks = self.tasks.borrow_mut();
        Ok(tasks.get(key).map_or(0, |task| task.deadlines.begin_scope(deadline_ms)))
    }

    /// Ends a deadline.
    pub(crate) fn end_scope(&self, scope: u64) {
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.deadlines.end_scope(scope);
        }
    }

    /// Gives a task the deadlines of the running one, for which it works.
    pub(super) fn inherit_deadlines(&self, heir: &mut Task) {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(task) = self.current.get().and_then(|key| tasks.get(key)) {
            heir.deadlines = Deadlines::new(task.deadlines.earliest_ms());
        }
    }

    /// Makes sure that the deadline of a task that is about to wait will wake it.
    #[inline(always)]
    pub(super) fn arm_deadline(&self, key: Key, task: &mut Task) -> Result<u64, Fault> {
        match task.deadlines.earliest_ms() {
            NEVER_MS => Ok(NEVER_MS),
            deadline_ms => self.arm_earliest(key, task, deadline_ms),
        }
    }

    fn arm_earliest(&self, key: Key, task: &mut Task, deadline_ms: u64) -> Result<u64, Fault> {
        if task.deadlines.armed_ms().is_some_and(|armed_ms| armed_ms <= deadline_ms) {
            return Ok(deadline_ms);
        }
        if let Some(alarm) = task.deadlines.take_alarm() {
            self.core.handle.cancel(alarm);
        }
        if self.core.handle.clock().now_ms() >= deadline_ms {
            return Err(Fault::new(Code::Timeout, "the deadline has passed"));
        }
        let alarm = self.arm_at_ms(deadline_ms, Alarm::Deadline(key.to_bits()))?;
        task.deadlines.set_alarm(alarm, deadline_ms);
        Ok(deadline_ms)
    }
}
