//! What a turn sees of the worker it runs on.

use std::time::Duration;

use super::local::Local;
use super::{Claim, Handle, Scheduled, WorkerStatus, Workload};
use crate::sync::Arc;
use crate::timer::{TimerKey, TimersFull};

/// The worker a turn runs on. It cannot leave the turn; take a [`Handle`] for that.
pub struct WorkerContext<'a, W: Workload> {
    local: &'a Local<W>,
}

impl<'a, W: Workload> WorkerContext<'a, W> {
    pub(super) fn new(local: &'a Local<W>) -> Self {
        Self { local }
    }

    /// Which worker this is, from 0.
    pub fn index(&self) -> usize {
        self.local.index()
    }

    /// The handle, for what outlives the turn.
    pub fn handle(&self) -> &Handle<W> {
        self.local.handle()
    }

    /// What this worker shows to others.
    pub fn status(&self) -> &WorkerStatus {
        &self.local.remote().status
    }

    /// When this turn began, in nanoseconds of the scheduler's clock. Costs nothing: the worker
    /// reads the clock once a turn anyway. Also the time at which the turn before it ended, if
    /// this worker did not sleep in between.
    pub fn turn_started_ns(&self) -> u64 {
        self.local.now_ns()
    }

    /// Whether few tasks wait for the worker, so that they run in the order in which they are
    /// woken.
    pub fn is_orderly(&self) -> bool {
        self.local.is_orderly()
    }

    /// Whether tasks wait for the end of this turn, what was handed over aside.
    pub fn has_waiting(&self) -> bool {
        self.local.has_waiting()
    }

    /// As [`Handle::wake`], a little faster.
    pub fn wake(&self, task: &Arc<W::Task>) {
        if task.token().wake() {
            self.local.schedule(Arc::clone(task));
        }
    }

    /// Has a task that the turn has [claimed](Handle::claim) run next on this worker, with
    /// `parcel`. For a turn that is about to end: until then no other worker learns of the task,
    /// which makes this cheap. One that comes after others, handed over or woken by the same turn,
    /// queues up behind them.
    pub fn hand_over(&self, claim: Claim<W::Task>, parcel: W::Parcel) {
        self.local.hand_over(claim, parcel);
    }

    /// As [`Handle::arm`], a little faster.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm(&self, delay: Duration, timer: W::Timer) -> Result<TimerKey, TimersFull<W::Timer>> {
        self.handle().arm_in_shard(self.index(), delay, timer)
    }
}
