//! What everybody who is not a worker uses: waking tasks, arming timers, looking at workers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Scheduled, WorkerStatus, Workload};
use crate::clock::{Clock, NANOSECONDS_PER_MS};
use crate::sync::{Arc, Condvar, Mutex};
use crate::timer::{TimerKey, Timers, TimersFull};

/// What workers and handles share.
pub(super) struct Shared<W: Workload> {
    pub(super) clock: Clock,
    pub(super) timers: Timers<W::Timer>,
    pub(super) statuses: Box<[WorkerStatus]>,
    pub(super) queue: Mutex<Queue<W::Task>>,
    pub(super) work: Condvar,
    pub(super) ended: Condvar,
}

pub(super) struct Queue<T> {
    pub(super) tasks: VecDeque<Arc<T>>,
    pub(super) stopping: bool,
    pub(super) running: Vec<usize>,
}

impl<W: Workload> Shared<W> {
    pub(super) fn new(workers: usize, timers_per_worker: usize, clock: Clock) -> Self {
        Self {
            clock,
            timers: Timers::new(workers, timers_per_worker),
            statuses: (0..workers).map(|_| WorkerStatus::default()).collect(),
            queue: Mutex::new(Queue {
                tasks: VecDeque::new(),
                stopping: false,
                running: (0..workers).collect(),
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    pub(super) fn stop(&self) {
        self.queue.lock().stopping = true;
        self.work.notify_all();
    }

    pub(super) fn wait_until_stopped(&self, deadline: Instant) -> Vec<usize> {
        let mut queue = self.queue.lock();
        while !queue.running.is_empty() && Instant::now() < deadline {
            self.ended.wait_until(&mut queue, deadline);
        }
        queue.running.clone()
    }

    pub(super) fn drop_queued(&self) {
        let tasks = std::mem::take(&mut self.queue.lock().tasks);
        drop(tasks);
    }

    pub(super) fn enqueue(&self, task: Arc<W::Task>) {
        self.queue.lock().tasks.push_back(task);
        self.work.notify_one();
    }
}

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
    /// thread of this scheduler the task goes to that worker's own queue.
    pub fn wake(&self, task: &Arc<W::Task>) {
        if task.token().wake() {
            self.shared.enqueue(Arc::clone(task));
        }
    }

    /// Arms a timer that expires once `delay` has passed completely, at most about a millisecond
    /// later if a worker is free. [`Workload::expire`] is then called with `timer`.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm(&self, delay: Duration, timer: W::Timer) -> Result<TimerKey, TimersFull<W::Timer>> {
        self.arm_at_ms(self.shared.clock.deadline_ms(delay), timer)
    }

    /// Arms a timer for the moment when [`Clock::now_ms`] reads `deadline_ms`; a moment in the past
    /// is due at once.
    ///
    /// # Errors
    /// [`TimersFull`] with the payload when too many timers are armed.
    pub fn arm_at_ms(
        &self,
        deadline_ms: u64,
        timer: W::Timer,
    ) -> Result<TimerKey, TimersFull<W::Timer>> {
        let (key, is_earliest) = self.shared.timers.arm(0, 0, deadline_ms, timer)?;
        if is_earliest {
            let _queue = self.shared.queue.lock();
            self.shared.work.notify_all();
        }
        Ok(key)
    }

    /// Disarms a timer and gives its payload back; `None` if it has expired or was cancelled.
    pub fn cancel(&self, key: TimerKey) -> Option<W::Timer> {
        self.shared.timers.cancel(key)
    }

    /// The clock that timers and turns go by.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Timers that are armed.
    pub fn timers(&self) -> usize {
        self.shared.timers.len()
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.shared.statuses.len()
    }

    /// What worker `index` lets others see.
    ///
    /// # Panics
    /// When there is no such worker.
    pub fn status(&self, index: usize) -> &WorkerStatus {
        &self.shared.statuses[index]
    }

    /// How long each worker has been inside its current turn, by index; `None` between turns.
    pub fn running_turns(&self) -> impl Iterator<Item = (usize, Option<Duration>)> + '_ {
        let now_ns = self.shared.clock.now_ns();
        self.shared.statuses.iter().enumerate().map(move |(index, status)| {
            let turn = status.running_turn();
            (index, turn.map(|(_, started)| Duration::from_nanos(now_ns.saturating_sub(started))))
        })
    }
}

/// Milliseconds of a reading of the clock.
pub(super) fn ms_of(now_ns: u64) -> u64 {
    now_ns / NANOSECONDS_PER_MS
}
