//! The wheel against a sorted map, and the shards together.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::wheel::{WALK_LIMIT, Wheel};
use super::{TimerKey, Timers};
use crate::sync::Mutex;

/// What a caller may do to a wheel.
#[derive(Clone, Debug)]
enum Step {
    Arm {
        delay_ms: u64,
    },
    /// As many at once, which takes several blocks.
    Burst {
        delay_ms: u64,
        count: usize,
    },
    Cancel {
        which: usize,
    },
    CancelEvery {
        nth: usize,
    },
    Pass {
        by_ms: u64,
        limit: usize,
    },
}

/// Delays of every magnitude, equal ones often.
fn span_ms() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4_u64,
        0..200_u64,
        0..5_000_u64,
        (0..u64::BITS).prop_flat_map(|bits| 0..=u64::MAX >> bits),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => span_ms().prop_map(|delay_ms| Step::Arm { delay_ms }),
        1 => (span_ms(), 2..60_usize)
            .prop_map(|(delay_ms, count)| Step::Burst { delay_ms, count }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => (1..20_usize).prop_map(|nth| Step::CancelEvery { nth }),
        3 => (span_ms(), 1..50_usize).prop_map(|(by_ms, limit)| Step::Pass { by_ms, limit }),
    ]
}

/// A wheel, and what it should hold: timers by deadline and order of arming.
struct Pair {
    wheel: Wheel<u64>,
    model: BTreeMap<(u64, u64), super::wheel::Key>,
    now_ms: u64,
    armed: u64,
}

impl Pair {
    fn new() -> Self {
        Self { wheel: Wheel::new(), model: BTreeMap::new(), now_ms: 0, armed: 0 }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Arm { delay_ms } => self.arm(delay_ms),
            Step::Burst { delay_ms, count } => (0..count).for_each(|_| self.arm(delay_ms)),
            Step::Cancel { which } => self.cancel(which),
            Step::CancelEvery { nth } => {
                (0..self.model.len()).rev().step_by(nth).for_each(|which| self.cancel(which));
            }
            Step::Pass { by_ms, limit } => {
                self.now_ms = self.now_ms.saturating_add(by_ms);
                self.expire(limit);
            }
        }
        self.check();
    }

    fn arm(&mut self, delay_ms: u64) {
        let deadline_ms = self.now_ms.saturating_add(delay_ms);
        let key = self.wheel.arm(self.now_ms, deadline_ms, self.armed);
        self.model.insert((deadline_ms, self.armed), key);
        self.armed += 1;
    }

    fn cancel(&mut self, which: usize) {
        let Some(nth) = which.checked_rem(self.model.len()) else { return };
        let (&name, &key) = self.model.iter().nth(nth).expect("nth is below the length");
        self.model.remove(&name);
        assert_eq!(self.wheel.cancel(key), Some(name.1));
        assert_eq!(self.wheel.cancel(key), None, "a timer is cancelled once");
    }

    fn expire(&mut self, limit: usize) {
        let mut fired = Vec::new();
        let more = self.wheel.expire(self.now_ms, limit, &mut |payload| fired.push(payload));
        let due = self.model.range(..=(self.now_ms, u64::MAX));
        let expected: Vec<_> = due.map(|(&name, &key)| (name, key)).take(limit).collect();
        assert_eq!(fired, expected.iter().map(|(name, _)| name.1).collect::<Vec<_>>());
        for (name, key) in expected {
            self.model.remove(&name);
            assert_eq!(self.wheel.cancel(key), None, "a fired timer cannot be cancelled");
        }
        let is_due = self.model.range(..=(self.now_ms, u64::MAX)).next().is_some();
        // Of a long list of a higher level no more is known than where it begins.
        assert!(more == is_due || more && self.model.len() > WALK_LIMIT);
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        let earliest = self.model.first_key_value().map(|(name, _)| name.0);
        let next_ms = self.wheel.next_ms();
        assert_eq!(next_ms.is_some(), earliest.is_some());
        assert!(next_ms <= earliest, "a sleeper would wake up too late");
        if self.model.len() == 1 && earliest > Some(self.now_ms) {
            assert_eq!(next_ms, earliest, "a sleeper would wake up for nothing");
        }
    }
}

/// Steps of one case.
const STEPS: usize = if cfg!(miri) { 20 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 512 }, ..Default::default() })]

    #[test]
    fn a_wheel_fires_what_a_sorted_map_holds(steps in prop::collection::vec(step(), 1..STEPS)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
    }
}

#[test]
fn timers_at_the_end_of_time_are_kept() {
    let mut pair = Pair::new();
    for delay_ms in [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 60, 63, 64, 65] {
        pair.step(&Step::Arm { delay_ms });
    }
    for by_ms in [64, 1, 1 << 61, 1 << 63, u64::MAX] {
        pair.step(&Step::Pass { by_ms, limit: 10 });
    }
    assert_eq!(pair.wheel.len(), 0);
}

#[test]
fn a_key_never_names_a_later_timer() {
    let timers = Timers::new(1, 16);
    let first = timers.arm(0, 0, 10, "first").expect("room");
    assert_eq!(timers.cancel(first), Some("first"));
    let second = timers.arm(0, 0, 10, "second").expect("room");
    assert_ne!(first, second);
    assert_eq!(timers.cancel(first), None);
    assert_eq!(timers.cancel(TimerKey::from_bits(second.to_bits())), Some("second"));
}

#[test]
fn numbers_that_are_no_keys_cancel_nothing() {
    let timers = Timers::new(3, 16);
    timers.arm(2, 0, 10, ()).expect("room");
    for bits in [u64::MAX, 1, 1 << 56, 3 << 56, 2 << 56 | 1, 2 << 56 | 1 << 32] {
        assert_eq!(timers.cancel(TimerKey::from_bits(bits)), None, "{bits:#x}");
    }
    assert_eq!(timers.len(), 1);
}

#[test]
fn a_full_shard_hands_the_payload_back() {
    let timers = Timers::new(1, 2);
    timers.arm(0, 0, 1, 1).expect("room");
    timers.arm(0, 0, 2, 2).expect("room");
    let refused = timers.arm(0, 0, 3, 3).expect_err("the shard is full");
    assert_eq!(refused.payload, 3);
    assert_eq!(refused.to_string(), "too many timers: 2 are armed");
    timers.expire(1, drop);
    timers.arm(0, 0, 3, 3).expect("one has fired");
}

#[test]
fn all_shards_expire_and_the_earliest_is_known() {
    let timers = Timers::new(4, 1000);
    for number in 0..100 {
        timers.arm(number as usize, 0, 1 + number, number).expect("room");
    }
    assert_eq!(timers.earliest_ms(), 1);
    let mut expired = Vec::new();
    assert!(!timers.expire(50, |payload| expired.push(payload)));
    expired.sort_unstable();
    assert_eq!(expired, (0..50).collect::<Vec<_>>());
    assert_eq!((timers.earliest_ms(), timers.sleep_until_ms(), timers.len()), (51, 51, 50));
}

#[test]
fn many_that_are_due_come_in_batches() {
    let timers = Timers::new(1, 1000);
    for number in 0..500 {
        timers.arm(0, 0, 7, number).expect("room");
    }
    let mut expired = Vec::new();
    let mut batches = 1;
    while timers.expire(7, |payload| expired.push(payload)) {
        batches += 1;
        assert!(timers.earliest_ms() <= 7, "the next one to ask hears of the rest");
    }
    assert_eq!(expired, (0..500).collect::<Vec<_>>());
    assert!(batches > 1);
}

#[test]
fn many_threads_that_expire_keep_the_order() {
    let timers = Timers::new(1, 100_000);
    for number in 0..50_000 {
        timers.arm(0, 0, 7 + number / 1_000, number).expect("room");
    }
    let fired = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while timers.expire(100, |payload| fired.lock().push(payload)) {});
        }
    });
    assert_eq!(*fired.lock(), (0..50_000).collect::<Vec<_>>());
}

#[test]
fn what_fires_may_arm_and_cancel() {
    let timers = Timers::new(1, 10);
    let other = timers.arm(0, 0, 9, 1).expect("room");
    timers.arm(0, 0, 5, 2).expect("room");
    timers.expire(5, |payload| {
        assert_eq!((payload, timers.cancel(other)), (2, Some(1)));
        timers.arm(0, 5, 6, 3).expect("room");
    });
    assert_eq!((timers.sleep_until_ms(), timers.len()), (6, 1));
}

#[test]
fn equal_deadlines_keep_their_order_past_those_that_were_called_off() {
    // From one block to several, and through the levels of the wheel.
    for (count, deadline_ms) in [(5, 3), (13, 70), (14, 5_000), (40, 300_000), (200, 7)] {
        for kept in [2, 3, 13, 14, 40] {
            let mut wheel = Wheel::new();
            let keys: Vec<_> = (0..count).map(|number| wheel.arm(0, deadline_ms, number)).collect();
            let called_off = (0..count).filter(|number| number % kept != 0);
            for number in called_off {
                assert_eq!(wheel.cancel(keys[number as usize]), Some(number));
            }
            wheel.arm(0, deadline_ms, count);
            let mut fired = Vec::new();
            while wheel.expire(deadline_ms, 3, &mut |number| fired.push(number)) {}
            let left = (0..count).filter(|number| number % kept == 0);
            assert_eq!(fired, left.chain([count]).collect::<Vec<u64>>());
            assert_eq!((wheel.len(), wheel.next_ms()), (0, None));
        }
    }
}

#[test]
fn those_that_fire_together_come_together() {
    let timers = Timers::new(1, 1000);
    for number in 0..100 {
        timers.arm(0, 0, 7, number).expect("room");
    }
    let mut batches: Vec<Vec<u32>> = Vec::new();
    while timers.expire_batches(7, |batch| batches.push(batch.collect())) {}
    assert!(batches.len() < 5, "{} batches", batches.len());
    assert_eq!(batches.concat(), (0..100).collect::<Vec<_>>());
    assert!(!timers.expire_batches(9, |_| unreachable!("nothing is due")));
}

#[test]
fn no_key_is_the_key_of_no_timer() {
    let timers = Timers::new(256, 16);
    timers.arm(255, 0, 10, ()).expect("room");
    assert_eq!(timers.cancel(TimerKey::NONE), None);
    assert_eq!(timers.len(), 1);
}
