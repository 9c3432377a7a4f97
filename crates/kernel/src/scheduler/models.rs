//! Loom models of the token, of waking and sleeping, and of a whole small scheduler.
//!
//! Each asserts an outcome that a lost wake-up would make impossible; loom then reports a deadlock
//! or the failed assertion together with the interleaving.

use std::cell::Cell;
use std::time::{Duration, Instant};

use loom::sync::Arc as ModelArc;
use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use super::idle::{Errand, Idle, Look, SlotSeen, Woken};
use super::{
    Claim, Handle, Left, Options, Scheduled, Scheduler, TokenState, Turn, WorkerContext, Workload,
};
use crate::sync::{Arc, Condvar, Mutex, thread};

/// Explores every interleaving with at most `preemptions` forced switches.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_token_is_queued_once_and_its_turn_sees_what_came_before() {
    run_turns_among_wakers(|_| {});
}

#[test]
fn a_turn_that_absorbs_wake_ups_before_it_looks_misses_nothing() {
    run_turns_among_wakers(TokenState::absorb);
}

/// A task that is nothing but its token, which counts its turns.
#[derive(Default)]
struct Bare(TokenState<usize>);

impl Scheduled for Bare {
    type Own = usize;

    fn token(&self) -> &TokenState<usize> {
        &self.0
    }
}

impl Bare {
    /// A turn, claimed or owed; loom reports any two that overlap.
    fn turn(mut claim: Claim<Self>) -> Left<Self> {
        claim.run(|_, turns| {
            thread::yield_now();
            *turns += 1;
        });
        claim.end(Turn::Idle)
    }
}

#[test]
fn turns_of_a_task_never_overlap_however_they_begin() {
    explore(3, || {
        let task = Arc::new(Bare::default());
        let queued = ModelArc::new(AtomicUsize::new(0));
        let threads = [true, false].map(|runs_at_once| {
            let (task, queued) = (task.clone(), queued.clone());
            thread::spawn(move || {
                let left = match Claim::of_resting(task) {
                    Ok(claim) if runs_at_once => Bare::turn(claim),
                    Ok(claim) => Left::Owed(claim.owe()),
                    Err(task) if task.0.wake() => Left::Owed(task),
                    Err(task) => Left::Alone(task),
                };
                if let Left::Owed(_) = left {
                    queued.fetch_add(1, Ordering::Release);
                }
            })
        });
        let turn = || {
            assert_eq!(queued.fetch_sub(1, Ordering::AcqRel), 1, "queued once");
            if let Left::Owed(_) = Bare::turn(Claim::of_owed(task.clone())) {
                queued.fetch_add(1, Ordering::Release);
            }
        };
        if queued.load(Ordering::Acquire) > 0 {
            turn();
        }
        for thread in threads {
            thread.join().expect("it ends");
        }
        while queued.load(Ordering::Acquire) > 0 {
            turn();
        }
        let mut claim = Claim::of_resting(task.clone()).ok().expect("all turns are over");
        // Who came second may have found the turn of the first still owed.
        assert!((1..=2).contains(&claim.run(|_, turns| *turns)));
    });
}

/// Two threads write and wake; turns look at what was written, after `prepare`.
fn run_turns_among_wakers(prepare: fn(&TokenState<usize>)) {
    explore(3, move || {
        let task = Arc::new(Bare::default());
        let written = ModelArc::new(AtomicUsize::new(0));
        let queued = ModelArc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (task, written, queued) = (task.clone(), written.clone(), queued.clone());
                thread::spawn(move || {
                    written.fetch_add(1, Ordering::Relaxed);
                    if task.0.wake() {
                        queued.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        let mut seen = 0;
        while seen < 2 {
            while queued.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            assert_eq!(queued.fetch_sub(1, Ordering::AcqRel), 1, "queued once");
            let claim = Claim::of_owed(task.clone());
            prepare(&task.0);
            seen = written.load(Ordering::Relaxed);
            if let Left::Owed(_) = Bare::turn(claim) {
                queued.fetch_add(1, Ordering::Release);
            }
        }
        for waker in wakers {
            waker.join().expect("a waker ends");
        }
    });
}

/// Sleeps without timers; errands are counted as begun and do nothing.
fn sleep(idle: &Idle, worker: usize, searching: bool, look: impl FnOnce() -> Look) -> Woken {
    let begun = Cell::new(0);
    idle.sleep(worker, searching, look, |_| None, &Errand { begun: &begun, run: &|| () })
}

#[test]
fn an_errand_is_run_by_a_worker_that_sleeps_or_is_about_to() {
    loom::model(|| {
        let shared = ModelArc::new((Idle::new(1), AtomicBool::new(false)));
        let sleeper = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (idle, has_run) = &*shared;
                let (begun, run) = (Cell::new(0), || has_run.store(true, Ordering::Release));
                let errand = Errand { begun: &begun, run: &run };
                let look = || Look::Nothing { timer_ms: u64::MAX, watch_until: None };
                let woken = idle.sleep(0, false, look, |_| None, &errand);
                assert_eq!(woken, Woken::Stopping);
            })
        };
        let (idle, has_run) = &*shared;
        idle.send_errand();
        while !has_run.load(Ordering::Acquire) {
            thread::yield_now();
        }
        idle.stop();
        sleeper.join().expect("the sleeper ends");
    });
}

#[test]
fn a_sleeper_never_misses_work() {
    loom::model(|| {
        // A plain flag, which orders nothing by itself, in place of a queue.
        let shared = ModelArc::new((Idle::new(1), AtomicBool::new(false)));
        let sleeper = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (idle, work) = &*shared;
                let mut searching = idle.begin_search();
                while !work.load(Ordering::Acquire) {
                    let look = || match work.load(Ordering::Acquire) {
                        true => Look::Work,
                        false => Look::Nothing { timer_ms: u64::MAX, watch_until: None },
                    };
                    let woken = sleep(idle, 0, searching, look);
                    searching = matches!(woken, Woken::Told(_));
                }
                idle.leave(searching);
            })
        };
        let (idle, work) = &*shared;
        work.store(true, Ordering::Release);
        idle.work_added();
        sleeper.join().expect("the sleeper ends");
    });
}

/// Two workers that find nothing to do while `act` happens: at the latest when both sleep,
/// `covered` must come to hold.
fn two_sleepers(
    act: impl Fn(&Idle, &Outside) + Sync + Send + Copy + 'static,
    covered: impl Fn(&Idle) -> bool + Sync + Send + Copy + 'static,
) {
    explore(3, move || {
        let shared = ModelArc::new((Idle::new(2), Outside::default()));
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (idle, outside) = &*shared;
                    let mut searching = idle.begin_search();
                    loop {
                        match sleep(idle, worker, searching, || outside.look()) {
                            Woken::Stopping => break,
                            woken => searching = matches!(woken, Woken::Told(_)),
                        }
                    }
                })
            })
            .collect();
        let (idle, outside) = &*shared;
        act(idle, outside);
        // If it never came to hold, both would sleep, and loom would report that this goes on.
        while !covered(idle) {
            thread::yield_now();
        }
        idle.stop();
        for worker in workers {
            worker.join().expect("a worker ends");
        }
    });
}

/// What sleepers look at: a timer, and the mark of a slot of a third worker.
struct Outside {
    timer_ms: AtomicU64,
    mark: AtomicU64,
}

impl Default for Outside {
    fn default() -> Self {
        Self { timer_ms: AtomicU64::new(u64::MAX), mark: AtomicU64::new(0) }
    }
}

impl Outside {
    fn look(&self) -> Look {
        let filled = self.mark.load(Ordering::Acquire) % 2 == 1;
        Look::Nothing {
            timer_ms: self.timer_ms.load(Ordering::Acquire),
            watch_until: filled.then(Instant::now),
        }
    }
}

#[test]
fn a_timer_is_covered_whenever_it_is_armed() {
    two_sleepers(
        |idle, outside| {
            outside.timer_ms.store(7, Ordering::Release);
            fence(Ordering::SeqCst);
            idle.timer_armed(7);
        },
        |idle| idle.covers(7),
    );
}

#[test]
fn a_slot_is_watched_whenever_it_is_filled() {
    two_sleepers(
        |idle, outside| {
            outside.mark.store(1, Ordering::Release);
            idle.slot_filled(SlotSeen { worker: 2, mark: 1, is_stuck: false });
        },
        |idle| idle.watches(),
    );
}

#[test]
fn a_worker_that_ends_its_search_reports_what_nobody_was_told() {
    explore(3, || {
        let shared = ModelArc::new((Idle::new(2), Outside::default()));
        let sleeper = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (idle, outside) = &*shared;
                let mut searching = false;
                while let woken = sleep(idle, 0, searching, || outside.look())
                    && woken != Woken::Stopping
                {
                    searching = matches!(woken, Woken::Told(_));
                }
            })
        };
        let searcher = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (idle, outside) = &*shared;
                let searching = idle.begin_search();
                idle.leave(searching);
                if idle.wants_work() {
                    idle.timer_armed(outside.timer_ms.load(Ordering::Acquire));
                }
            })
        };
        let (idle, outside) = &*shared;
        outside.timer_ms.store(7, Ordering::Release);
        fence(Ordering::SeqCst);
        idle.timer_armed(7);
        searcher.join().expect("the searcher ends");
        while !idle.covers(7) {
            thread::yield_now();
        }
        idle.stop();
        sleeper.join().expect("the sleeper ends");
    });
}

/// Tasks that pass a count on until it is used up, and timers that wake tasks.
struct Relay {
    runs: Mutex<usize>,
    changed: Condvar,
}

struct Runner {
    /// Counts its turns.
    token: TokenState<usize>,
    next: Mutex<Option<Arc<Runner>>>,
    pass: Pass,
    /// What was put down here.
    deposited: Mutex<bool>,
}

/// How a task passes the count on.
#[derive(Clone, Copy)]
enum Pass {
    Wake,
    HandOver,
    HandOverTwo,
    ClaimAndSchedule,
}

impl Runner {
    fn new(next: Option<Arc<Runner>>) -> Arc<Self> {
        Self::passing(Pass::Wake, next)
    }

    fn passing(pass: Pass, next: Option<Arc<Runner>>) -> Arc<Self> {
        let (token, next, deposited) = (TokenState::default(), Mutex::new(next), Mutex::new(false));
        Arc::new(Self { token, next, pass, deposited })
    }
}

impl Scheduled for Runner {
    type Own = usize;

    fn token(&self) -> &TokenState<usize> {
        &self.token
    }
}

impl Workload for Relay {
    type Task = Runner;
    type Timer = Arc<Runner>;
    /// Counts as a run when it arrives.
    type Parcel = ();

    fn run(
        &self,
        task: &Arc<Runner>,
        own: &mut usize,
        parcel: Option<()>,
        worker: &WorkerContext<'_, Self>,
    ) -> Turn {
        *own += 1;
        if let Some(next) = task.next.lock().take() {
            let handle = worker.handle();
            let claim = |task| handle.claim(task).ok().expect("a task at rest can be claimed");
            match task.pass {
                Pass::Wake => worker.wake(&next),
                Pass::HandOver => worker.hand_over(claim(next), ()),
                Pass::HandOverTwo => {
                    worker.hand_over(claim(next), ());
                    worker.hand_over(claim(Runner::new(None)), ());
                }
                Pass::ClaimAndSchedule => {
                    Self::deposit(&next, ());
                    handle.schedule(claim(next));
                }
            }
        }
        let deposited = std::mem::take(&mut *task.deposited.lock());
        *self.runs.lock() += 1 + usize::from(deposited || parcel.is_some());
        self.changed.notify_one();
        Turn::Idle
    }

    fn deposit(task: &Arc<Runner>, (): ()) {
        *task.deposited.lock() = true;
    }

    fn expire(&self, timer: Arc<Runner>, worker: &WorkerContext<'_, Self>) {
        worker.wake(&timer);
    }
}

/// Runs `act` against a scheduler of `workers`, and waits until `runs` turns are over.
fn relay(workers: usize, runs: usize, act: impl FnOnce(&Handle<Relay>)) {
    // Not the defaults: asking the system for its cores, and for large stacks, takes longer than
    // the model itself.
    let thread_name = String::new();
    let options =
        Options { workers, thread_name, stack_size_bytes: 1 << 14, timers_per_worker: 16 };
    let relay = Arc::new(Relay { runs: Mutex::new(0), changed: Condvar::new() });
    let workload = Arc::clone(&relay);
    let mut scheduler = Scheduler::start(&options, |_| workload).expect("loom starts threads");
    act(scheduler.handle());
    let mut done = relay.runs.lock();
    while *done < runs {
        relay.changed.wait(&mut done);
    }
    drop(done);
    scheduler.join(Duration::from_secs(1 << 20)).expect("all workers end");
}

#[test]
fn one_worker_runs_what_is_woken_from_outside() {
    explore(3, || relay(1, 1, |handle| handle.wake(&Runner::new(None))));
}

#[test]
fn one_worker_runs_a_chain() {
    explore(2, || relay(1, 2, |handle| handle.wake(&Runner::new(Some(Runner::new(None))))));
}

#[test]
fn one_worker_fires_a_timer_armed_from_outside() {
    explore(3, || {
        relay(1, 1, |handle| {
            handle.arm(Duration::ZERO, Runner::new(None)).expect("room for a timer");
        });
    });
}

#[test]
fn two_workers_run_what_is_woken_from_outside() {
    explore(2, || {
        relay(2, 2, |handle| {
            handle.wake(&Runner::new(None));
            handle.wake(&Runner::new(None));
        });
    });
}

#[test]
fn two_workers_run_a_chain() {
    explore(2, || relay(2, 2, |handle| handle.wake(&Runner::new(Some(Runner::new(None))))));
}

#[test]
fn two_workers_run_what_is_handed_over_with_its_parcel() {
    let passes = [(Pass::HandOver, 3), (Pass::HandOverTwo, 5), (Pass::ClaimAndSchedule, 3)];
    for (pass, runs) in passes {
        explore(2, move || {
            relay(2, runs, |handle| handle.wake(&Runner::passing(pass, Some(Runner::new(None)))));
        });
    }
}

#[test]
fn two_workers_fire_a_timer_armed_from_outside() {
    explore(1, || {
        relay(2, 1, |handle| {
            handle.arm(Duration::ZERO, Runner::new(None)).expect("room for a timer");
        });
    });
}

#[test]
fn workers_that_sleep_are_stopped() {
    explore(2, || relay(2, 0, |_| ()));
}
