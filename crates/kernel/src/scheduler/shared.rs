//! What workers and handles of one scheduler share.

use std::time::Instant;

use crossbeam_utils::CachePadded;

use super::idle::Idle;
use super::queue::{Injector, LocalQueue, Stealer};
use super::{WorkerStatus, Workload};
use crate::clock::Clock;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, Slot};
use crate::timer::Timers;

/// All that is shared. The workload is not in it: it may hold a handle, and a circle of references
/// would keep both for ever.
pub(super) struct Shared<W: Workload> {
    pub(super) clock: Clock,
    /// The latest reading of the clock by a worker, in milliseconds. Written by workers, and only
    /// ever raised.
    latest_ms: CachePadded<AtomicU64>,
    pub(super) timers: Timers<W::Timer>,
    pub(super) injector: Injector<W::Task>,
    pub(super) idle: Idle,
    pub(super) remotes: Box<[CachePadded<Remote<W::Task>>]>,
    /// Indexes of workers whose thread has not ended.
    alive: Mutex<Vec<usize>>,
    ended: Condvar,
}

/// What other threads see of one worker.
pub(super) struct Remote<T> {
    pub(super) stealer: Stealer<T>,
    /// Whether others may steal at once, and not only what is stuck; written by the worker alone.
    pub(super) is_open: AtomicBool,
    /// The task that runs next. Put in by the worker; taken by it, or by a worker that has found it
    /// there unchanged for a while.
    pub(super) slot: Slot<Arc<T>>,
    /// Odd while something waits that others may not take at once: in the slot, or in a queue that
    /// is not open. Grows whenever that begins or ends and, in the latter case, with each turn;
    /// written by the worker alone. After a theft it stays odd until the worker looks.
    pub(super) mark: AtomicU64,
    pub(super) status: WorkerStatus,
}

impl<T> Remote<T> {
    /// See the field.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Takes what is stuck behind a long turn of the worker.
    pub(super) fn take_stuck(&self, thief: &LocalQueue<T>) -> Option<Arc<T>> {
        self.slot.take().or_else(|| self.stealer.steal_into(thief))
    }
}

impl<W: Workload> Shared<W> {
    /// The shared part, and the queues that the workers will own.
    pub(super) fn new(
        workers: usize,
        timers_per_worker: usize,
    ) -> (Self, Vec<LocalQueue<W::Task>>) {
        let queues: Vec<_> = (0..workers).map(|_| LocalQueue::new()).collect();
        let remote = |queue: &LocalQueue<W::Task>| {
            CachePadded::new(Remote {
                stealer: queue.stealer(),
                is_open: AtomicBool::new(false),
                slot: Slot::default(),
                mark: AtomicU64::new(0),
                status: WorkerStatus::default(),
            })
        };
        let shared = Self {
            clock: Clock::start(),
            latest_ms: CachePadded::new(AtomicU64::new(0)),
            // One more shard for the threads that are not workers.
            timers: Timers::new(workers + 1, timers_per_worker),
            injector: Injector::new(),
            idle: Idle::new(workers),
            remotes: queues.iter().map(remote).collect(),
            alive: Mutex::new((0..workers).collect()),
            ended: Condvar::new(),
        };
        (shared, queues)
    }

    /// A worker has read the clock.
    #[inline]
    pub(super) fn clock_was_read(&self, now_ms: u64) {
        // Workers read it every microsecond or so, and a millisecond is noted once or twice: the
        // line stays in all caches.
        if now_ms > self.latest_ms.load(Ordering::Relaxed) {
            self.latest_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
    }

    /// See [`Handle::recent_ms`](super::Handle::recent_ms). Either part alone never goes back for
    /// anybody who has heard of an earlier reading: of an atomic later reads see later values, and
    /// so it is with what the kernel noted.
    #[inline]
    pub(super) fn recent_ms(&self) -> u64 {
        self.latest_ms.load(Ordering::Relaxed).max(self.clock.noted_ms())
    }

    /// Queues a task from a thread that is not a worker.
    pub(super) fn inject(&self, task: Arc<W::Task>) {
        self.injector.push(task);
        self.idle.work_added();
        if self.idle.is_stopping() {
            self.drop_injected();
        }
    }

    /// Whether some queue holds a task that anybody may take at once.
    pub(super) fn has_stealable_work(&self) -> bool {
        !self.injector.is_empty()
            || self.remotes.iter().any(|remote| remote.is_open() && !remote.stealer.is_empty())
    }

    /// Notes that a worker's thread is about to end.
    pub(super) fn worker_ended(&self, index: usize) {
        self.alive.lock().retain(|&worker| worker != index);
        self.ended.notify_all();
    }

    /// Waits until all workers have ended; returns those that have not at `deadline`.
    pub(super) fn wait_until_ended(&self, deadline: Instant) -> Vec<usize> {
        let mut alive = self.alive.lock();
        while !alive.is_empty() && Instant::now() < deadline {
            self.ended.wait_until(&mut alive, deadline);
        }
        alive.clone()
    }

    /// Drops what nobody will run any more. Tasks may hold handles, so leaving them here would keep
    /// all of it alive for ever.
    pub(super) fn drop_injected(&self) {
        let queue = LocalQueue::new();
        while let Some(task) = self.injector.steal_into(&queue) {
            drop(task);
            while queue.pop().is_some() {}
        }
    }
}

impl<T> Remote<T> {
    /// The mark of the slot: odd while it is filled.
    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }
}
