//! Worker threads that give turns to tasks.
//!
//! A *task* (a service) embeds a [`TokenState`] and is woken with [`Handle::wake`]; some worker
//! then calls [`Workload::run`] for it once, a *turn*, and the turn says whether the task rests,
//! wants another turn, or has ended. The layer above is one [`Workload`]: it knows what a turn is,
//! and what an expired timer means.
//!
//! Promises:
//! * A task runs on at most one thread at a time, and sees what was written before its wake-up.
//!   What belongs to its turns alone lies in its token and needs no lock.
//! * A woken task runs, whatever the workers were doing when it was woken.
//! * When nothing is owed and no timer is armed, no thread of the scheduler wakes up at all.
//!
//! Napkin for a message to a task at rest: token 3 steps at 5 ns, slot 10 ns, mailbox 20 ns, one
//! reading of the clock 25 ns a turn: 80 ns. Measured with a bare task: 85 ns of processor time on
//! one worker, 95 ns on two; a message of a task that goes on with its turn reaches an idle worker
//! after 35 us, which is what waking a thread takes.
//!
//! | file | holds |
//! |---|---|
//! | token | the state of one task |
//! | local, queue, current, way | one worker's queue, its "run next" slot, fairness; whom it lets pass |
//! | worker, context, status | the loop, what a turn sees, what others see |
//! | search, slots, idle, roles | a worker without work: looking, watching, sleeping |
//! | shared, handle | what all share; what everybody else uses |

mod context;
mod current;
mod handle;
mod idle;
mod local;
#[cfg(all(test, loom))]
mod models;
mod queue;
mod roles;
mod search;
mod shared;
mod slots;
mod status;
#[allow(unsafe_code, reason = "the token is what makes the private part of a task exclusive")]
mod token;
mod way;
mod worker;

use std::any::Any;
use std::io;
use std::time::{Duration, Instant};
use std::vec::Drain;

use crate::sync::{Arc, thread};

pub use context::WorkerContext;
pub use handle::Handle;
pub use status::WorkerStatus;
#[cfg(all(test, loom))]
pub(crate) use token::Left;
pub use token::{Claim, TokenState};

use shared::Shared;

/// Most worker threads.
pub const WORKERS_LIMIT: usize = 1024;

/// What a task does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It rests until it is woken. A wake-up that came during the turn counts.
    Idle,
    /// It wants another turn, after the others that wait.
    Again,
    /// It never runs again; wake-ups do nothing from now on.
    Ended,
}

/// Something that can be scheduled.
pub trait Scheduled: Send + Sync + 'static {
    /// What only the turns of the task touch.
    type Own: Send + 'static;

    /// The state the scheduler keeps in the task; always the same.
    fn token(&self) -> &TokenState<Self::Own>;
}

/// What the layer above does with the workers. One value serves all of them.
pub trait Workload: Send + Sync + Sized + 'static {
    /// What is given turns.
    type Task: Scheduled;
    /// What an expired timer hands back.
    type Timer: Send + 'static;
    /// What a hand-over carries: a message that needs no mailbox, because its task runs next.
    type Parcel: Send + 'static;

    /// One turn of `task`. No other thread runs the same task meanwhile, so its `own` part is there
    /// for this turn alone. `parcel` came with the hand-over that this turn is owed to, and before
    /// everything that was sent to the task since.
    fn run(
        &self,
        task: &Arc<Self::Task>,
        own: &mut <Self::Task as Scheduled>::Own,
        parcel: Option<Self::Parcel>,
        worker: &WorkerContext<'_, Self>,
    ) -> Turn;

    /// A task that was handed over does not run next after all, and others may get it: puts the
    /// parcel where the task's next turn finds it before everything that was sent since.
    fn deposit(task: &Arc<Self::Task>, parcel: Self::Parcel);

    /// The turn in which `parcel` was handed over has ended, and so has the worker's use for its
    /// handle of the `sender`: whoever gets the parcel may have it.
    fn sign(_parcel: &mut Self::Parcel, _sender: Arc<Self::Task>) {}

    /// A timer has expired. Runs on a worker between two turns, so it must be short: wake a task.
    fn expire(&self, timer: Self::Timer, worker: &WorkerContext<'_, Self>);

    /// Timers have expired together, in this order. Takes at least the first of them out; it is
    /// asked again for what it leaves.
    fn expire_all(&self, timers: &mut Drain<'_, Self::Timer>, worker: &WorkerContext<'_, Self>) {
        for timer in timers {
            self.expire(timer, worker);
        }
    }

    /// `run` panicked; the task has ended. The worker goes on. `expire` must not panic.
    fn turn_panicked(
        &self,
        _task: &Arc<Self::Task>,
        _panic: Box<dyn Any + Send>,
        _worker: &WorkerContext<'_, Self>,
    ) {
    }

    /// Something that every worker has to do for itself, asked for by [`Handle::send_errand`]. Runs
    /// between two turns, or while the worker has nothing to do; others count on it all the same,
    /// so it must be short, and it must not wake tasks.
    fn errand(&self, _worker: &WorkerContext<'_, Self>) {}

    /// The worker has run out of work, others have none for it, and it is about to sleep. A task
    /// that has a use for the time gets a turn, though nobody woke it; others wait for the end of
    /// that turn, so it must be short and end when [`Handle::is_quiet`] is no longer true. Asked
    /// again until there is none.
    fn spare(&self, _worker: &WorkerContext<'_, Self>) -> Option<Arc<Self::Task>> {
        None
    }

    /// A worker thread has begun; called on it, before its first turn.
    fn worker_started(&self, _worker: &WorkerContext<'_, Self>) {}

    /// A worker thread is about to end; called on it, after its last turn.
    fn worker_stopping(&self, _worker: &WorkerContext<'_, Self>) {}
}

/// How a scheduler is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads, 1 to [`WORKERS_LIMIT`].
    pub workers: usize,
    /// Name of the threads; the worker's index is appended.
    pub thread_name: String,
    /// Stack of a worker thread.
    pub stack_size_bytes: usize,
    /// Most timers that one worker's shard holds.
    pub timers_per_worker: usize,
}

impl Default for Options {
    /// A worker per core, 8 MiB stacks (Lua's C functions recurse), 16,777,216 timers a worker.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: workers.min(WORKERS_LIMIT),
            thread_name: "worker".to_owned(),
            stack_size_bytes: 8 << 20,
            timers_per_worker: 1 << 24,
        }
    }
}

/// A worker thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start worker thread {index} of {workers}: {source}")]
pub struct StartError {
    /// The worker.
    pub index: usize,
    /// Workers that were wanted.
    pub workers: usize,
    /// What the system said.
    pub source: io::Error,
}

/// Workers that have not ended in time. They are inside a turn that does not return.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workers {workers:?} are still inside a turn")]
pub struct StillRunning {
    /// Their indexes.
    pub workers: Vec<usize>,
}

/// The worker threads of one host. Dropping it stops and joins them; see [`join`](Self::join) and
/// [`abandon`](Self::abandon) for other endings.
pub struct Scheduler<W: Workload> {
    handle: Handle<W>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl<W: Workload> Scheduler<W> {
    /// Makes the shared part, so that `make` can build a workload that holds the handle, then
    /// starts the workers. Tasks woken in between run once the workers are there.
    ///
    /// # Errors
    /// [`StartError`] when the system refuses a thread; those already started are stopped.
    pub fn start(
        options: &Options,
        make: impl FnOnce(&Handle<W>) -> Arc<W>,
    ) -> Result<Self, StartError> {
        let workers = options.workers.clamp(1, WORKERS_LIMIT);
        let (shared, queues) = Shared::new(workers, options.timers_per_worker);
        let handle = Handle::new(Arc::new(shared));
        let workload = make(&handle);
        let mut scheduler = Self { handle, threads: Vec::with_capacity(workers) };
        for (index, queue) in queues.into_iter().enumerate() {
            let handle = scheduler.handle.clone();
            let workload = Arc::clone(&workload);
            let thread = thread::Builder::new()
                .name(format!("{}-{index}", options.thread_name))
                .stack_size(options.stack_size_bytes)
                .spawn(move || worker::main(index, &handle, queue, &*workload))
                .map_err(|source| StartError { index, workers, source })?;
            scheduler.handle.status(index).note_thread(&thread);
            scheduler.threads.push(thread);
        }
        Ok(scheduler)
    }

    /// The handle through which everybody else talks to the workers.
    pub fn handle(&self) -> &Handle<W> {
        &self.handle
    }

    /// Asks every worker to end after its current turn. Does not wait. Tasks that still lie in a
    /// queue are dropped when the last worker has ended.
    pub fn stop(&self) {
        self.handle.shared().idle.stop();
    }

    /// Stops, and waits until all workers have ended, at most `limit`.
    ///
    /// # Errors
    /// [`StillRunning`] when a turn does not return in time. The scheduler is as it was: interrupt
    /// the turn and join again, or [`abandon`](Self::abandon) the threads.
    pub fn join(&mut self, limit: Duration) -> Result<(), StillRunning> {
        self.stop();
        let deadline = Instant::now() + limit;
        let workers = self.handle.shared().wait_until_ended(deadline);
        if !workers.is_empty() {
            return Err(StillRunning { workers });
        }
        self.join_threads();
        Ok(())
    }

    /// Leaves the threads to themselves: the last resort before the process ends.
    pub fn abandon(mut self) {
        self.stop();
        self.threads.clear();
    }

    fn join_threads(&mut self) {
        for thread in self.threads.drain(..) {
            // A worker catches the panics of turns; one of its own was printed where it happened.
            let _ = thread.join();
        }
        self.handle.shared().drop_injected();
    }
}

impl<W: Workload> Drop for Scheduler<W> {
    fn drop(&mut self) {
        self.stop();
        if !self.threads.is_empty() {
            self.join_threads();
        }
    }
}
