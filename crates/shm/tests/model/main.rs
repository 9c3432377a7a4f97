//! The dictionary against a model that cannot be wrong: a map, some double-ended queues, an order
//! of use.
//!
//! Long rows of operations with a visible seed, in dictionaries of one shard and of several, that
//! never fill and that are always full: the answers must be the same. What the model cannot know is
//! who is thrown out of a full dictionary of several shards, and where in memory something lies
//! that a sweep may or may not reach: it asks for that. Ends come in real time, rarely, because
//! each costs a millisecond.
//!
//! `SHM_OPERATIONS=100000000 SHM_SEED=7 cargo test -p moonhive-shm --release --test model` is the
//! long form.

mod act;
mod order;
mod pair;
#[path = "../random/mod.rs"]
mod random;
mod time;

use proptest::prelude::*;

use act::acts;
use pair::Pair;
use random::{Random, variable};

impl Pair {
    fn check(&mut self) {
        let findings = self.real.check().expect("locks are free");
        assert!(findings.is_empty(), "{findings:?}");
        self.apply(&act::Act::Items);
        self.apply(&act::Act::Measure);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_model(acts in proptest::collection::vec(acts(), 0..300)) {
        for (size_bytes, shards) in [(1 << 20, 1), (1 << 20, 4), (3 << 20, 8)] {
            let mut pair = Pair::new(size_bytes, shards, false);
            acts.iter().for_each(|act| pair.apply(act));
            pair.check();
        }
    }

    #[test]
    fn answers_of_a_full_dictionary_are_those_of_the_model(
        acts in proptest::collection::vec(acts(), 0..300)
    ) {
        for shards in [1, 2, 4] {
            let mut pair = Pair::new(8 << 10, shards, true);
            acts.iter().for_each(|act| pair.apply(act));
            pair.check();
        }
    }
}

#[test]
fn a_long_row_of_operations_has_the_answers_of_the_model() {
    let (count, seed) = (variable("SHM_OPERATIONS", 60_000), variable("SHM_SEED", 1));
    println!("seed {seed}, {count} operations");
    let mut random = Random(seed);
    let mut pairs = [
        Pair::new(1 << 20, 1, false),
        Pair::new(2 << 20, 8, false),
        Pair::new(24 << 10, 1, true),
        Pair::new(24 << 10, 4, true),
    ];
    for number in 0..count {
        let act = random.act();
        pairs.iter_mut().for_each(|pair| pair.apply(&act));
        if number % 100_000 == 0 {
            pairs.iter_mut().for_each(Pair::check);
        }
    }
    pairs.iter_mut().for_each(Pair::check);
    for pair in &pairs {
        let (thrown_out, given_back) = pair.lost;
        println!("{thrown_out} live entries thrown out, {given_back} others given back");
        assert!(given_back > count / 1000, "some have ended");
        assert_eq!(thrown_out > count / 100, pair.is_full, "who is full throws out");
    }
}
