//! Loom models of timers that are armed, cancelled and expired by different threads.

use loom::sync::Arc;

use super::Timers;
use crate::sync::{Mutex, thread};

#[test]
fn a_timer_is_either_cancelled_or_fired() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(1, 16));
        let key = timers.arm(0, 0, 5, "payload").expect("there is room");
        let canceller = {
            let timers = timers.clone();
            thread::spawn(move || timers.cancel(key).is_some())
        };
        let mut expired = Vec::new();
        timers.expire(5, |payload| expired.push(payload));
        let cancelled = canceller.join().expect("the canceller ends");
        assert_eq!(expired.len(), usize::from(!cancelled));
    });
}

#[test]
fn a_timer_armed_while_others_expire_is_not_forgotten() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(2, 16));
        timers.arm(0, 0, 5, 5).expect("there is room");
        let armer = {
            let timers = timers.clone();
            thread::spawn(move || timers.arm(1, 0, 7, 7).expect("there is room"))
        };
        let mut expired = Vec::new();
        timers.expire(5, |payload| expired.push(payload));
        assert_eq!(expired, [5]);
        let _key = armer.join().expect("the armer ends");
        assert!(timers.earliest_ms() <= 7);
        assert_eq!(timers.sleep_until_ms(), 7);
        timers.expire(7, |payload| expired.push(payload));
        assert_eq!(expired, [5, 7]);
    });
}

#[test]
fn a_later_timer_armed_while_others_expire_is_not_forgotten() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(1, 16));
        timers.arm(0, 0, 5, 5).expect("there is room");
        let armer = {
            let timers = timers.clone();
            thread::spawn(move || timers.arm(0, 0, 7, 7).expect("there is room"))
        };
        let mut expired = Vec::new();
        timers.expire(5, |payload| expired.push(payload));
        assert_eq!(expired, [5]);
        let _key = armer.join().expect("the armer ends");
        assert!(timers.earliest_ms() <= 7);
        assert!(timers.sleep_until_ms() <= 7);
        while timers.expire(7, |payload| expired.push(payload)) {}
        assert_eq!(expired, [5, 7]);
        assert_eq!(timers.earliest_ms(), u64::MAX);
    });
}

#[test]
fn of_two_timers_armed_at_once_the_later_one_is_not_forgotten() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(1, 16));
        let armer = {
            let timers = timers.clone();
            thread::spawn(move || timers.arm(0, 0, 5, 5).expect("there is room"))
        };
        timers.arm(0, 0, 7, 7).expect("there is room");
        let mut expired = Vec::new();
        timers.expire(4, |payload| expired.push(payload));
        let _key = armer.join().expect("the armer ends");
        assert_eq!((timers.earliest_ms(), timers.sleep_until_ms()), (5, 5));
        while timers.expire(7, |payload| expired.push(payload)) {}
        assert_eq!(expired, [5, 7]);
    });
}

#[test]
fn timers_of_one_shard_fire_in_order_whoever_expires_them() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(1, 16));
        timers.arm(0, 0, 5, 1).expect("there is room");
        timers.arm(0, 0, 5, 2).expect("there is room");
        let fired = Arc::new(Mutex::new(Vec::new()));
        let expire = |timers: &Timers<u32>, fired: &Mutex<Vec<u32>>| {
            timers.expire(5, |payload| fired.lock().push(payload));
        };
        let other = {
            let (timers, fired) = (timers.clone(), fired.clone());
            thread::spawn(move || expire(&timers, &fired))
        };
        expire(&timers, &fired);
        other.join().expect("the other thread ends");
        // A batch is one timer here: each thread has fired one.
        assert_eq!(*fired.lock(), [1, 2]);
    });
}

#[test]
fn two_threads_that_expire_share_the_timers() {
    loom::model(|| {
        let timers = Arc::new(Timers::new(2, 16));
        timers.arm(0, 0, 5, 5).expect("there is room");
        timers.arm(1, 0, 9, 9).expect("there is room");
        let other = {
            let timers = timers.clone();
            thread::spawn(move || {
                let mut expired = Vec::new();
                timers.expire(5, |payload| expired.push(payload));
                expired.len()
            })
        };
        let mut expired = Vec::new();
        timers.expire(9, |payload| expired.push(payload));
        let others = other.join().expect("the other thread ends");
        assert_eq!(others + expired.len(), 2);
        assert_eq!(timers.sleep_until_ms(), u64::MAX);
    });
}
