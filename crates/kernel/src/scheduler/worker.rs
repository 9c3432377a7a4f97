//! The loop of a worker thread, and what it shows to the workload.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::handle::ms_of;
use super::{Handle, Scheduled, Turn, WorkerStatus, Workload};
use crate::sync::Arc;
use crate::timer::{TimerKey, TimersFull};

/// The worker a turn runs on.
pub struct WorkerContext<'a, W: Workload> {
    index: usize,
    handle: &'a Handle<W>,
    turn_started_ns: std::cell::Cell<u64>,
}

impl<W: Workload> WorkerContext<'_, W> {
    /// Which worker this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The handle, for what outlives the turn.
    pub fn handle(&self) -> &Handle<W> {
        self.handle
    }

    /// What this worker shows to others.
    pub fn status(&self) -> &WorkerStatus {
        self.handle.status(self.index)
    }

    /// When this turn began, by the scheduler's clock: a reading that costs nothing.
    pub fn turn_started_ns(&self) -> u64 {
        self.turn_started_ns.get()
    }

    /// As [`Handle::wake`], without looking for the worker.
    pub fn wake(&self, task: &Arc<W::Task>) {
        self.handle.wake(task);
    }

    /// As [`Handle::arm`], on this worker's shard.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm(&self, delay: Duration, timer: W::Timer) -> Result<TimerKey, TimersFull<W::Timer>> {
        self.handle.arm(delay, timer)
    }
}

pub(super) fn main<W: Workload>(index: usize, handle: &Handle<W>, workload: &Arc<W>) {
    let context = WorkerContext { index, handle, turn_started_ns: std::cell::Cell::new(0) };
    workload.worker_started(&context);
    let shared = handle.shared();
    let mut expired = Vec::new();
    loop {
        let now_ns = shared.clock.now_ns();
        if shared.timers.earliest_ms() <= ms_of(now_ns) {
            shared.timers.expire(ms_of(now_ns), &mut expired);
            for timer in expired.drain(..) {
                workload.expire(timer, &context);
            }
        }
        let mut queue = shared.queue.lock();
        if queue.stopping {
            break;
        }
        let Some(task) = queue.tasks.pop_front() else {
            match shared.clock.instant_of(shared.timers.sleep_until_ms()) {
                Some(deadline) => drop(shared.work.wait_until(&mut queue, deadline)),
                None => shared.work.wait(&mut queue),
            }
            continue;
        };
        drop(queue);
        context.turn_started_ns.set(now_ns);
        context.status().begin_turn(now_ns);
        task.token().begin();
        let turn = catch_unwind(AssertUnwindSafe(|| workload.run(&task, &context)));
        context.status().end_turn();
        let turn = turn.unwrap_or_else(|panic| {
            workload.turn_panicked(&task, panic, &context);
            Turn::Ended
        });
        if task.token().end(turn) {
            shared.enqueue(task);
        }
    }
    workload.worker_stopping(&context);
    shared.queue.lock().running.retain(|&running| running != index);
    shared.ended.notify_all();
}
