//! The scheduler through its public API, with real threads.

#![cfg(not(loom))]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use moonhive_kernel::mailbox::{Batch, Limits, Mailbox, Measured};
use moonhive_kernel::scheduler::{
    Handle, Options, Scheduled, Scheduler, TokenState, Turn, WorkerContext, Workload,
};
use parking_lot::Mutex;

/// How long a test waits for what must happen at once.
const WATCHDOG: Duration = Duration::from_secs(60);

struct Hop(u64, Arc<Player>);
impl Measured for Hop {
    fn size_bytes(&self) -> usize {
        0
    }
}

struct Player {
    token: TokenState,
    mailbox: Mailbox<Hop>,
    batch: Mutex<Batch<Hop>>,
}

impl Player {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            token: TokenState::default(),
            mailbox: Mailbox::new(Limits::default()),
            batch: Mutex::default(),
        })
    }
}

impl Scheduled for Player {
    type Own = ();

    fn token(&self) -> &TokenState {
        &self.token
    }
}

/// Sends each hop back until its count is used up, then reports.
struct PingPong {
    done: Mutex<mpsc::Sender<u64>>,
    turns: AtomicU64,
}

impl Workload for PingPong {
    type Task = Player;
    type Timer = Arc<Player>;
    type Parcel = Infallible;

    fn run(
        &self,
        task: &Arc<Player>,
        (): &mut (),
        _parcel: Option<Infallible>,
        worker: &WorkerContext<'_, Self>,
    ) -> Turn {
        self.turns.fetch_add(1, Ordering::Relaxed);
        let mut batch = task.batch.try_lock().expect("one turn at a time");
        task.mailbox.take(&mut batch);
        while let Some(Hop(left, peer)) = batch.pop(&task.mailbox) {
            if left == 0 {
                self.done.lock().send(0).expect("the test listens");
                continue;
            }
            let pushed = peer.mailbox.push(Hop(left - 1, Arc::clone(task))).expect("room");
            if pushed.wake {
                worker.wake(&peer);
            }
        }
        if batch.is_finished() { Turn::Idle } else { Turn::Again }
    }

    fn deposit(_task: &Arc<Player>, parcel: Infallible) {
        match parcel {}
    }

    fn expire(&self, timer: Arc<Player>, worker: &WorkerContext<'_, Self>) {
        self.done.lock().send(1).expect("the test listens");
        worker.wake(&timer);
    }
}

fn start(workers: usize) -> (Scheduler<PingPong>, mpsc::Receiver<u64>) {
    let (done, listen) = mpsc::channel();
    let options = Options { workers, ..Options::default() };
    let workload = PingPong { done: Mutex::new(done), turns: AtomicU64::new(0) };
    let scheduler = Scheduler::start(&options, |_| Arc::new(workload)).expect("threads");
    (scheduler, listen)
}

fn serve(handle: &Handle<PingPong>, hops: u64) {
    let (one, other) = (Player::new(), Player::new());
    let pushed = one.mailbox.push(Hop(hops, other)).expect("room");
    assert!(pushed.wake);
    handle.wake(&one);
}

#[test]
fn pairs_play_to_the_end() {
    const PAIRS: u64 = if cfg!(miri) { 3 } else { 50 };
    const HOPS: u64 = if cfg!(miri) { 50 } else { 1000 };
    for workers in [1, 2, 4] {
        let (mut scheduler, listen) = start(workers);
        for _ in 0..PAIRS {
            serve(scheduler.handle(), HOPS);
        }
        for _ in 0..PAIRS {
            assert_eq!(listen.recv_timeout(WATCHDOG), Ok(0));
        }
        scheduler.join(WATCHDOG).expect("no turn is left");
    }
}

#[test]
fn a_timer_fires_on_an_idle_scheduler() {
    let (scheduler, listen) = start(2);
    let before = std::time::Instant::now();
    scheduler.handle().arm(Duration::from_millis(20), Player::new()).expect("room");
    assert_eq!(listen.recv_timeout(WATCHDOG), Ok(1));
    assert!(before.elapsed() >= Duration::from_millis(20));
}
