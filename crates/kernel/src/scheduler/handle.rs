//! What everybody who is not a worker uses: waking tasks, arming timers, looking at workers.

use std::time::Duration;

use super::local::Local;
use super::shared::Shared;
use super::{Claim, Scheduled, WorkerStatus, Workload, current};
use crate::clock::{Clock, NANOSECONDS_PER_MS};
use crate::sync::Arc;
use crate::timer::{TimerKey, TimersFull};

/// A way to talk to the workers from any thread; cheap to clone.
pub struct Handle<W: Workload> {
    shared: Arc<Shared<W>>,
}

impl<W: Workload> Clone for Handle<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Workload> Handle<W> {
    pub(super) fn new(shared: Arc<Shared<W>>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Shared<W> {
        &self.shared
    }

    /// Owes `task` a turn. Does nothing if it is owed one already, and if it has ended. On a worker
    /// thread of this scheduler the task goes to that worker, to run next there; else some worker
    /// takes it. Once the scheduler has stopped the task is let go of.
    pub fn wake(&self, task: &Arc<W::Task>) {
        if task.token().wake() {
            self.queue(Arc::clone(task));
        }
    }

    /// Begins a turn of `task` if it is at rest, but leaves it to the caller to say where that
    /// runs: by [`WorkerContext::hand_over`](super::WorkerContext::hand_over) or by
    /// [`schedule`](Self::schedule). Until then no turn of the task runs.
    ///
    /// # Errors
    /// The task, if it is owed a turn already, or has ended.
    #[inline]
    pub fn claim(&self, task: Arc<W::Task>) -> Result<Claim<W::Task>, Arc<W::Task>> {
        Claim::of_resting(task)
    }

    /// Schedules a task that the caller has claimed, as [`wake`](Self::wake) does.
    pub fn schedule(&self, claim: Claim<W::Task>) {
        self.queue(claim.owe());
    }

    /// Puts a task that is owed a turn where some worker finds it.
    fn queue(&self, task: Arc<W::Task>) {
        let mut task = Some(task);
        current::with(&self.shared, |local| task.take().map(|task| local.schedule(task)));
        if let Some(task) = task {
            self.shared.inject(task);
        }
    }

    /// Arms a timer that expires once `delay` has passed completely, at most about a millisecond
    /// later if a worker is free. [`Workload::expire`] is then called with `timer`.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm(&self, delay: Duration, timer: W::Timer) -> Result<TimerKey, TimersFull<W::Timer>> {
        let worker = current::with(&self.shared, |local| local.index());
        self.arm_in_shard(worker.unwrap_or_else(|| self.workers()), delay, timer)
    }

    /// As [`arm`](Self::arm), for a tick of the clock. All that are armed like this, whichever
    /// threads do it, expire in the order of their ticks, and those of one tick in the order of
    /// arming. `now_ms` is a late reading of the clock.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm_at(
        &self,
        now_ms: u64,
        deadline_ms: u64,
        timer: W::Timer,
    ) -> Result<TimerKey, TimersFull<W::Timer>> {
        let tell = || self.shared.idle.timer_armed(deadline_ms);
        self.shared.timers.arm_and_tell(self.workers(), now_ms, deadline_ms, timer, tell)
    }

    /// Disarms a timer and gives its payload back; `None` if it has expired or was cancelled.
    pub fn cancel(&self, key: TimerKey) -> Option<W::Timer> {
        self.shared.timers.cancel(key)
    }

    /// Has every worker call [`Workload::errand`] soon, also those that sleep. Several that are
    /// sent in quick succession may become one.
    pub fn send_errand(&self) {
        self.shared.idle.send_errand();
    }

    /// True on a worker that has nothing to run after its current turn, as far as it knows, neither
    /// of its own nor of others.
    pub fn is_quiet(&self) -> bool {
        current::with(&self.shared, Local::is_quiet).unwrap_or(false)
    }

    /// The number of the worker whose thread this is; `None` on any other thread.
    pub fn own_worker(&self) -> Option<usize> {
        current::with(&self.shared, Local::index)
    }

    /// The clock that timers and turns go by.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Complete milliseconds of the clock, late by a jiffy of the kernel (4 ms) at most and exact
    /// where a turn or a timer has just begun, for a quarter of what a reading costs. Not before
    /// the deadline of a timer that has expired; never goes back, whichever threads ask, as long as
    /// one has heard from the other.
    #[inline]
    pub fn recent_ms(&self) -> u64 {
        self.shared.recent_ms()
    }

    /// Timers that are armed.
    pub fn timers(&self) -> usize {
        self.shared.timers.len()
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.shared.remotes.len()
    }

    /// What worker `index` lets others see.
    ///
    /// # Panics
    /// When there is no such worker.
    pub fn status(&self, index: usize) -> &WorkerStatus {
        &self.shared.remotes[index].status
    }

    /// How long each worker has been inside its current turn, by index; `None` between turns.
    pub fn running_turns(&self) -> impl Iterator<Item = (usize, Option<Duration>)> + '_ {
        let now_ns = self.shared.clock.now_ns();
        self.shared.remotes.iter().enumerate().map(move |(index, remote)| {
            let turn = remote.status.running_turn();
            (index, turn.map(|(_, started)| Duration::from_nanos(now_ns.saturating_sub(started))))
        })
    }

    pub(super) fn arm_in_shard(
        &self,
        shard: usize,
        delay: Duration,
        timer: W::Timer,
    ) -> Result<TimerKey, TimersFull<W::Timer>> {
        let now_ns = self.shared.clock.now_ns();
        let delay_ns = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let deadline_ms = now_ns.saturating_add(delay_ns).div_ceil(NANOSECONDS_PER_MS);
        let now_ms = now_ns / NANOSECONDS_PER_MS;
        let idle = &self.shared.idle;
        let tell = || idle.timer_armed(deadline_ms);
        self.shared.timers.arm_and_tell(shard, now_ms, deadline_ms, timer, tell)
    }
}
