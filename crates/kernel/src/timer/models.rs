//! Loom models of timers that are armed, cancelled and expired by different threads.

use loom::sync::Arc;

use super::Timers;
use crate::sync::thread;

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
        timers.expire(5, &mut expired);
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
        timers.expire(5, &mut expired);
        assert_eq!(expired, [5]);
        let _key = armer.join().expect("the armer ends");
        assert!(timers.earliest_ms() <= 7);
        assert_eq!(timers.sleep_until_ms(), 7);
        timers.expire(7, &mut expired);
        assert_eq!(expired, [5, 7]);
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
                timers.expire(5, &mut expired);
                expired.len()
            })
        };
        let mut expired = Vec::new();
        timers.expire(9, &mut expired);
        let others = other.join().expect("the other thread ends");
        assert_eq!(others + expired.len(), 2);
        assert_eq!(timers.sleep_until_ms(), u64::MAX);
    });
}
