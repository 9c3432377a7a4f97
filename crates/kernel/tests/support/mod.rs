//! A workload of closures, and a watchdog, for tests of the scheduler with real threads.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use moonhive_kernel::scheduler::{
    Handle, Options, Scheduled, Scheduler, TokenState, Turn, WorkerContext, Workload,
};
use parking_lot::Mutex;

/// How long a test waits for what must happen soon, however slow the machine.
pub const WATCHDOG: Duration = Duration::from_secs(60);

pub type Context<'a> = WorkerContext<'a, Jobs>;
type Act = Box<dyn FnMut(&Arc<Job>, &Context<'_>) -> Turn + Send>;

/// What a signature adds to a parcel.
pub const SIGNATURE: usize = 1 << 32;

/// A task that does what its closure says.
pub struct Job {
    token: TokenState<usize>,
    act: Mutex<Act>,
    turns: AtomicUsize,
    /// The sum of the parcels that came with turns.
    carried: AtomicUsize,
    /// The sum of those that were put down here.
    deposited: AtomicUsize,
}

impl Job {
    pub fn new(act: impl FnMut(&Arc<Job>, &Context<'_>) -> Turn + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            token: TokenState::default(),
            act: Mutex::new(Box::new(act)),
            turns: AtomicUsize::new(0),
            carried: AtomicUsize::new(0),
            deposited: AtomicUsize::new(0),
        })
    }

    /// What came with turns, and what was put down here in its place.
    pub fn parcels(&self) -> (usize, usize) {
        (self.carried.load(Ordering::SeqCst), self.deposited.load(Ordering::SeqCst))
    }

    /// Turns that have begun.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

impl Scheduled for Job {
    /// Turns so far.
    type Own = usize;

    fn token(&self) -> &TokenState<usize> {
        &self.token
    }
}

/// Runs jobs; a timer is a job to wake.
#[derive(Default)]
pub struct Jobs {
    pub panics: AtomicUsize,
    pub started: AtomicUsize,
    pub stopped: AtomicUsize,
    /// The workers that have run an errand.
    pub errands: Mutex<Vec<usize>>,
    /// Jobs that have a use for a worker without work.
    pub spare: Mutex<Vec<Arc<Job>>>,
}

impl Workload for Jobs {
    type Task = Job;
    type Timer = Arc<Job>;
    type Parcel = usize;

    fn run(
        &self,
        task: &Arc<Job>,
        own: &mut usize,
        parcel: Option<usize>,
        worker: &Context<'_>,
    ) -> Turn {
        task.carried.fetch_add(parcel.unwrap_or(0), Ordering::SeqCst);
        *own += 1;
        let counted = task.turns.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(*own, counted, "a turn sees what those before it have left");
        let mut act = task.act.try_lock().expect("a task runs on one thread at a time");
        act(task, worker)
    }

    fn deposit(task: &Arc<Job>, parcel: usize) {
        task.deposited.fetch_add(parcel, Ordering::SeqCst);
    }

    fn sign(parcel: &mut usize, sender: Arc<Job>) {
        assert!(sender.turns() > 0, "it has had the turn that is over");
        *parcel += SIGNATURE;
    }

    fn expire(&self, timer: Arc<Job>, worker: &Context<'_>) {
        worker.wake(&timer);
    }

    fn turn_panicked(&self, _: &Arc<Job>, _: Box<dyn Any + Send>, _: &Context<'_>) {
        self.panics.fetch_add(1, Ordering::SeqCst);
    }

    fn errand(&self, worker: &Context<'_>) {
        self.errands.lock().push(worker.index());
    }

    fn spare(&self, _: &Context<'_>) -> Option<Arc<Job>> {
        self.spare.lock().pop()
    }

    fn worker_started(&self, _: &Context<'_>) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    fn worker_stopping(&self, _: &Context<'_>) {
        self.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn start(workers: usize) -> (Scheduler<Jobs>, Arc<Jobs>) {
    let options = Options { workers, ..Options::default() };
    let jobs = Arc::new(Jobs::default());
    let workload = Arc::clone(&jobs);
    (Scheduler::start(&options, |_| workload).expect("threads"), jobs)
}

/// Waits until `done` holds.
pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + WATCHDOG;
    while !done() {
        assert!(Instant::now() < deadline, "did not happen in time: {what}");
        std::thread::yield_now();
    }
}

/// Waits until no worker has gone to sleep or run anything for a while.
pub fn wait_until_quiet(handle: &Handle<Jobs>) {
    let deadline = Instant::now() + WATCHDOG;
    loop {
        let before = activity(handle);
        std::thread::sleep(Duration::from_millis(50));
        if activity(handle) == before {
            return;
        }
        assert!(Instant::now() < deadline, "the workers never come to rest");
    }
}

/// Numbers that change whenever a worker does anything.
pub fn activity(handle: &Handle<Jobs>) -> Vec<u64> {
    let statuses = (0..handle.workers()).map(|index| handle.status(index));
    statuses.flat_map(|status| [status.turn_sequence(), status.sleeps()]).collect()
}
