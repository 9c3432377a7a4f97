//! Beginning, failing and ending: panics, stops, stuck turns, nothing left behind.

#![cfg(not(loom))]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moonhive_kernel::scheduler::{StillRunning, Turn};
use parking_lot::Mutex;
use support::{Job, Jobs, WATCHDOG, start, wait_until};

#[test]
fn a_turn_that_panics_ends_its_task_alone() {
    let (mut scheduler, jobs) = start(1);
    let bad = Job::new(|_, _| panic!("on purpose, to be seen in the output of the test"));
    let good = Job::new(|_, _| Turn::Idle);
    scheduler.handle().wake(&bad);
    scheduler.handle().wake(&good);
    wait_until("the good one runs on", || good.turns() == 1);
    scheduler.handle().wake(&bad);
    scheduler.handle().wake(&good);
    wait_until("and again", || good.turns() == 2);
    assert_eq!((bad.turns(), jobs.panics.load(Ordering::SeqCst)), (1, 1));
    scheduler.join(WATCHDOG).expect("the worker lives and ends");
}

#[test]
fn every_worker_begins_and_ends() {
    let (mut scheduler, jobs) = start(4);
    wait_until("all have begun", || jobs.started.load(Ordering::SeqCst) == 4);
    scheduler.join(WATCHDOG).expect("nothing runs");
    assert_eq!(jobs.stopped.load(Ordering::SeqCst), 4);
    scheduler.join(WATCHDOG).expect("joining again changes nothing");
}

#[test]
fn a_turn_that_does_not_end_is_named_and_can_be_joined_later() {
    let (mut scheduler, _) = start(2);
    let go_on = Arc::new(AtomicBool::new(false));
    let worker_index = Arc::new(std::sync::OnceLock::new());
    let stuck = {
        let (go_on, index) = (go_on.clone(), worker_index.clone());
        Job::new(move |_, worker| {
            index.set(worker.index()).expect("one turn");
            wait_until("the test lets it end", || go_on.load(Ordering::SeqCst));
            Turn::Idle
        })
    };
    scheduler.handle().wake(&stuck);
    wait_until("it is stuck", || stuck.turns() == 1);
    wait_until("the others have ended", || {
        scheduler.stop();
        worker_index.get().is_some()
    });
    let index = *worker_index.get().expect("just checked");
    let error = loop {
        let error = scheduler.join(Duration::from_millis(20)).expect_err("it is stuck");
        if error.workers.len() == 1 {
            break error;
        }
    };
    assert_eq!(error, StillRunning { workers: vec![index] });
    let status = scheduler.handle().status(index);
    assert!(status.running_turn().is_some());
    assert_eq!(status.turn_sequence() % 2, 1);
    go_on.store(true, Ordering::SeqCst);
    scheduler.join(WATCHDOG).expect("now it ends");
    assert!(scheduler.handle().status(index).running_turn().is_none());
}

#[test]
fn a_worker_can_be_signalled_by_its_thread() {
    let (scheduler, jobs) = start(2);
    wait_until("both have begun", || jobs.started.load(Ordering::SeqCst) == 2);
    let threads = [0, 1].map(|index| scheduler.handle().status(index).thread());
    assert!(threads[0].is_some() && threads[1].is_some() && threads[0] != threads[1]);
}

#[test]
fn nothing_outlives_the_scheduler() {
    let (mut scheduler, jobs) = start(2);
    let handle = scheduler.handle().clone();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            // Each holds a handle, as services do: a circle, if a queue kept the task.
            let handle = handle.clone();
            Job::new(move |job, _| {
                handle.wake(job);
                Turn::Again
            })
        })
        .collect();
    tasks.iter().for_each(|task| handle.wake(task));
    wait_until("they run", || tasks[99].turns() > 0);
    scheduler.join(WATCHDOG).expect("turns are short");
    let late = Job::new(|_, _| Turn::Idle);
    handle.wake(&late);
    for task in tasks.iter().chain([&late]) {
        assert_eq!(Arc::strong_count(task), 1);
    }
    assert_eq!(Arc::strong_count(&jobs), 1);
    assert_eq!(late.turns(), 0);
}

#[test]
fn a_scheduler_that_is_abandoned_leaves_its_stuck_thread() {
    let (scheduler, _) = start(1);
    let go_on = Arc::new(AtomicBool::new(false));
    let stuck = {
        let go_on = go_on.clone();
        Job::new(move |_, _| {
            wait_until("the test lets it end", || go_on.load(Ordering::SeqCst));
            Turn::Idle
        })
    };
    scheduler.handle().wake(&stuck);
    wait_until("it is stuck", || stuck.turns() == 1);
    scheduler.abandon();
    go_on.store(true, Ordering::SeqCst);
    wait_until("the thread ends by itself", || Arc::strong_count(&stuck) == 1);
}

#[test]
fn two_schedulers_in_one_process_do_not_mix() {
    let (one, _) = start(1);
    let (other, _) = start(1);
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let note = {
        let seen = seen.clone();
        Job::new(move |_, _| {
            seen.lock().push(std::thread::current().id());
            Turn::Idle
        })
    };
    let own_thread = Arc::new(std::sync::OnceLock::new());
    let cross = {
        let (handle, note, own) = (other.handle().clone(), note.clone(), own_thread.clone());
        Job::new(move |_, _| {
            own.set(std::thread::current().id()).expect("one turn");
            handle.wake(&note);
            Turn::Idle
        })
    };
    one.handle().wake(&cross);
    wait_until("the other scheduler runs it", || !seen.lock().is_empty());
    assert_ne!(Some(&seen.lock()[0]), own_thread.get());
}

#[test]
fn every_worker_runs_an_errand_be_it_asleep_or_busy() {
    let (scheduler, jobs) = start(3);
    support::wait_until_quiet(scheduler.handle());
    let has_run = |workers: usize| {
        let mut errands = jobs.errands.lock().clone();
        errands.sort_unstable();
        errands.dedup();
        errands.len() == workers
    };
    scheduler.handle().send_errand();
    wait_until("all sleepers run it", || has_run(3));
    support::wait_until_quiet(scheduler.handle());
    jobs.errands.lock().clear();
    let restless = Job::new(|_, _| Turn::Again);
    scheduler.handle().wake(&restless);
    wait_until("it is at work", || restless.turns() > 0);
    scheduler.handle().send_errand();
    wait_until("the busy one runs it, too", || has_run(3));
}

#[test]
fn a_worker_gives_turns_to_spare_tasks_when_it_has_run_out_of_work() {
    let (scheduler, jobs) = start(1);
    let handle = scheduler.handle().clone();
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &'static str| {
        let order = Arc::clone(&order);
        Job::new(move |_, context| {
            order.lock().push((name, context.handle().is_quiet()));
            Turn::Idle
        })
    };
    let (spare, woken) = (noting("spare"), noting("woken"));
    let first = {
        let (order, jobs, spare) = (Arc::clone(&order), Arc::clone(&jobs), Arc::clone(&spare));
        Job::new(move |_, context| {
            jobs.spare.lock().push(Arc::clone(&spare));
            order.lock().push(("first", context.handle().is_quiet()));
            context.wake(&woken);
            order.lock().push(("has woken", context.handle().is_quiet()));
            Turn::Idle
        })
    };
    handle.wake(&first);
    wait_until("all had a turn", || order.lock().len() == 4);
    let expected = [("first", true), ("has woken", false), ("woken", true), ("spare", true)];
    assert_eq!(*order.lock(), expected);
    support::wait_until_quiet(&handle);
    assert_eq!(spare.turns(), 1, "one turn for each time that it is named");
    assert!(!handle.is_quiet(), "this thread is no worker");
}

#[test]
fn a_spare_task_that_has_ended_is_passed_over() {
    let (scheduler, jobs) = start(1);
    let ended = Job::new(|_, _| Turn::Ended);
    scheduler.handle().wake(&ended);
    wait_until("it has had its turn", || ended.turns() == 1);
    let other = Job::new(|_, _| Turn::Idle);
    jobs.spare.lock().extend([Arc::clone(&other), Arc::clone(&ended)]);
    let last = Job::new(|_, _| Turn::Idle);
    scheduler.handle().wake(&last);
    wait_until("the other one has its turn", || other.turns() == 1);
    assert_eq!(ended.turns(), 1);
}

#[test]
fn spare_turns_do_not_keep_a_worker_from_a_task_that_is_stuck_behind_a_long_turn() {
    let (scheduler, jobs) = start(2);
    let spare = {
        let jobs = Arc::clone(&jobs);
        // Has always a use for the time.
        Job::new(move |job, _| {
            jobs.spare.lock().push(Arc::clone(job));
            Turn::Idle
        })
    };
    jobs.spare.lock().push(Arc::clone(&spare));
    let woken = Job::new(|_, _| Turn::Idle);
    let long = {
        let (woken, spare) = (Arc::clone(&woken), Arc::clone(&spare));
        Job::new(move |_, context| {
            wait_until("the other worker is at it", || spare.turns() > 0);
            context.wake(&woken);
            wait_until("the woken one has had its turn meanwhile", || woken.turns() > 0);
            Turn::Idle
        })
    };
    scheduler.handle().wake(&long);
    // The other worker may have gone to sleep without a look at what is spare.
    let nudge = Job::new(|_, _| Turn::Idle);
    wait_until("the long turn ends", || {
        if spare.turns() == 0 {
            scheduler.handle().wake(&nudge);
        }
        jobs.panics.load(Ordering::SeqCst) == 0 && woken.turns() > 0
    });
    jobs.spare.lock().clear();
    assert_eq!(jobs.panics.load(Ordering::SeqCst), 0);
}

/// The types that other layers share between threads.
#[test]
fn handles_go_everywhere() {
    fn check<T: Send + Sync + Clone>() {}
    check::<moonhive_kernel::scheduler::Handle<Jobs>>();
}
