//! Timers with real threads: never early, not forgotten behind long turns, and no wake-up without
//! a reason.

#![cfg(not(loom))]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use moonhive_kernel::scheduler::Turn;
use support::{Job, activity, start, wait_until, wait_until_quiet};

#[test]
fn a_timer_is_never_early() {
    let (scheduler, _) = start(2);
    let fired = Arc::new(AtomicUsize::new(0));
    for number in 0..500_u64 {
        let fired = fired.clone();
        let delay = Duration::from_micros(number * 7919 % 60_000);
        let armed = Instant::now();
        let job = Job::new(move |_, _| {
            assert!(armed.elapsed() >= delay, "{:?} instead of {delay:?}", armed.elapsed());
            fired.fetch_add(1, Ordering::SeqCst);
            Turn::Ended
        });
        scheduler.handle().arm(delay, job).expect("room");
    }
    wait_until("all have fired", || fired.load(Ordering::SeqCst) == 500);
    assert_eq!(scheduler.handle().timers(), 0);
}

#[test]
fn a_cancelled_timer_does_not_fire() {
    let (scheduler, _) = start(2);
    let job = Job::new(|_, _| Turn::Idle);
    let key = scheduler.handle().arm(Duration::from_millis(30), job.clone()).expect("room");
    let other = Job::new(|_, _| Turn::Idle);
    scheduler.handle().arm(Duration::from_millis(60), other.clone()).expect("room");
    assert!(scheduler.handle().cancel(key).is_some());
    assert!(scheduler.handle().cancel(key).is_none());
    wait_until("the later one fires", || other.turns() == 1);
    assert_eq!(job.turns(), 0);
}

#[test]
fn a_timer_fires_while_the_turn_that_armed_it_goes_on() {
    let (scheduler, _) = start(2);
    for _ in 0..20 {
        let fired = Job::new(|_, _| Turn::Ended);
        let busy = Job::new(move |_, worker| {
            worker.arm(Duration::from_millis(2), fired.clone()).expect("room");
            wait_until("the timer of a busy worker fires", || fired.turns() == 1);
            Turn::Ended
        });
        scheduler.handle().wake(&busy);
        wait_until("the busy turn ends", || Arc::strong_count(&busy) == 1);
    }
}

#[test]
fn a_timer_armed_before_a_long_turn_fires_during_it() {
    let (scheduler, _) = start(2);
    for _ in 0..20 {
        let fired = Job::new(|_, _| Turn::Ended);
        scheduler.handle().arm(Duration::from_millis(5), fired.clone()).expect("room");
        let busy = Job::new(move |_, _| {
            wait_until("the timer fires on the other worker", || fired.turns() == 1);
            Turn::Ended
        });
        scheduler.handle().wake(&busy);
        wait_until("the busy turn ends", || Arc::strong_count(&busy) == 1);
    }
}

#[test]
fn a_timer_earlier_than_the_one_slept_for_is_not_overslept() {
    let (scheduler, _) = start(2);
    let far = Job::new(|_, _| Turn::Ended);
    scheduler.handle().arm(Duration::from_secs(3600), far.clone()).expect("room");
    wait_until_quiet(scheduler.handle());
    for _ in 0..20 {
        let near = Job::new(|_, _| Turn::Ended);
        scheduler.handle().arm(Duration::from_millis(1), near.clone()).expect("room");
        wait_until("the near one fires", || near.turns() == 1);
    }
    assert_eq!(far.turns(), 0);
}

#[test]
fn nobody_wakes_up_without_a_reason() {
    for workers in [1, 3] {
        let (scheduler, _) = start(workers);
        let job = Job::new(|_, _| Turn::Idle);
        scheduler.handle().wake(&job);
        scheduler.handle().arm(Duration::from_secs(3600), job.clone()).expect("room");
        wait_until("it has run", || job.turns() == 1);
        wait_until_quiet(scheduler.handle());
        let before = activity(scheduler.handle());
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(activity(scheduler.handle()), before);
    }
}

#[test]
fn a_lone_timer_costs_one_sleep() {
    let (scheduler, _) = start(1);
    wait_until_quiet(scheduler.handle());
    let before = scheduler.handle().status(0).sleeps();
    let job = Job::new(|_, _| Turn::Idle);
    // Two levels of the wheel away: it moves down on the way, without a wake-up for that.
    scheduler.handle().arm(Duration::from_millis(300), job.clone()).expect("room");
    wait_until("it has fired", || job.turns() == 1);
    wait_until_quiet(scheduler.handle());
    let sleeps = scheduler.handle().status(0).sleeps() - before;
    assert!(sleeps <= 2, "one to wait for it, one afterwards: {sleeps}");
}

#[test]
fn the_clock_of_a_turn_does_not_lag_behind() {
    let (scheduler, _) = start(2);
    let clock = scheduler.handle().clock();
    let lag_ns = Arc::new(AtomicU64::new(u64::MAX));
    let job = {
        let lag_ns = lag_ns.clone();
        Job::new(move |_, worker| {
            let now_ns = clock.now_ns();
            assert!(worker.turn_started_ns() <= now_ns);
            lag_ns.fetch_min(now_ns - worker.turn_started_ns(), Ordering::SeqCst);
            Turn::Idle
        })
    };
    for turn in 1..=20 {
        scheduler.handle().wake(&job);
        wait_until("it runs", || job.turns() == turn);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(lag_ns.load(Ordering::SeqCst) < 1_000_000, "a sleep is not part of the next turn");
}

#[test]
fn what_fires_finds_the_recent_time_not_before_its_deadline() {
    let (scheduler, workload) = start(2);
    let handle = scheduler.handle();
    for _ in 0..200 {
        let (now_ms, handle) = (handle.recent_ms(), handle.clone());
        let due_ms = now_ms + 1;
        let job = Job::new({
            let handle = handle.clone();
            move |_, _| {
                let recent_ms = handle.recent_ms();
                assert!(recent_ms >= due_ms, "{recent_ms} at the timer of {due_ms}");
                Turn::Ended
            }
        });
        handle.arm_at(now_ms, due_ms, job.clone()).expect("room");
        wait_until("it has fired", || job.turns() == 1);
    }
    wait_until_quiet(handle);
    assert_eq!(workload.panics.load(Ordering::SeqCst), 0);
}

#[test]
fn the_recent_time_is_never_ahead_and_never_goes_back_whoever_asks() {
    let (scheduler, workload) = start(2);
    let handle = scheduler.handle();
    let latest_ms = Arc::new(AtomicU64::new(0));
    let ask = {
        let (handle, latest_ms) = (handle.clone(), latest_ms.clone());
        move || {
            let before_ms = latest_ms.load(Ordering::SeqCst);
            let recent_ms = handle.recent_ms();
            assert!(recent_ms >= before_ms, "{recent_ms} after somebody read {before_ms}");
            assert!(recent_ms <= handle.clock().now_ms());
            latest_ms.fetch_max(recent_ms, Ordering::SeqCst);
        }
    };
    let jobs: Vec<_> = (0..4)
        .map(|_| {
            let ask = ask.clone();
            Job::new(move |job, worker| {
                ask();
                worker.wake(job);
                Turn::Idle
            })
        })
        .collect();
    jobs.iter().for_each(|job| handle.wake(job));
    let begun = Instant::now();
    while latest_ms.load(Ordering::SeqCst) < 100 {
        ask();
        assert!(begun.elapsed() < support::WATCHDOG, "it stands");
    }
    assert!(jobs.iter().all(|job| job.turns() > 100), "all have asked");
    assert_eq!(workload.panics.load(Ordering::SeqCst), 0);
}
