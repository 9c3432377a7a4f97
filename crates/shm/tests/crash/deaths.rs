//! A death at each step of each operation, and at each step of the repair that follows.
//!
//! Every attempt begins with the same bytes, so that the same entries are in each shard and the
//! same ones are thrown out. Of the deaths of repairers the short form tries every one of the first
//! steps and fewer of the later ones, which are all alike; `SHM_EVERY_STEP=1` tries them all.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use moonhive_shm::{Dictionary, Error, Remaining, fault};

use crate::scenarios::{REPAIRED, Room, SCENARIOS, Scenario};
use crate::storm::verify_empty_after_flush;
use crate::{Named, say_ready, start, variable};

/// No operation has as many steps.
const STEPS_MOST: u64 = 5000;

/// What every key holds, in words.
type State = BTreeMap<String, String>;

/// A child: dies at a step of a scenario's operation, or of the repair of what another has left.
pub fn act(dictionary: &Dictionary, arguments: &str) {
    let (index, step) = arguments.split_once(' ').expect("two numbers");
    let step: u64 = step.parse().expect("a number");
    say_ready();
    fault::arm(step);
    match index {
        // Takes the lock of every shard, and so repairs what needs it.
        "repair" => drop(dictionary.check()),
        "panic" => panic_in_repair(dictionary, step),
        _ => (SCENARIOS[index.parse::<usize>().expect("a number")].act)(dictionary),
    }
    fault::arm(0);
}

/// What a child's exit code says of a panic.
const PANICKED: i32 = 3;

/// Panics at a step of the repair of what another has left, and ends; goes on without a panic.
fn panic_in_repair(dictionary: &Dictionary, step: u64) {
    // Hundreds of traces of what is meant to happen would hide one that is not.
    std::panic::set_hook(Box::new(|_| ()));
    fault::arm_panic(step);
    let checked = catch_unwind(AssertUnwindSafe(|| drop(dictionary.check())));
    fault::arm(0);
    if checked.is_err() {
        std::process::exit(PANICKED);
    }
}

/// True if a child came to its end alive, false if it died by our signal.
fn survives(named: &Named, what: &str, step: u64) -> bool {
    let mut child = start("victim", &named.name, &format!("{what} {step}"));
    let status = child.wait().expect("it is ours");
    assert!(status.success() || status.signal() == Some(9), "{what}, step {step}: {status}");
    status.success()
}

fn state_of(dictionary: &Dictionary) -> State {
    let mut state = State::new();
    let fixed = ["a", "b", "c", "e", "l", "m", "n"].map(str::to_owned);
    let numbered = (0..600).map(|number| format!("f{number}"));
    for key in fixed.into_iter().chain(numbered) {
        let value = match dictionary.get(&key) {
            Ok(Some(entry)) => format!("{:?} {}", entry.value, entry.flags),
            Ok(None) => continue,
            Err(Error::ValueIsList) => format!("{:?}", dictionary.range(&key, 0, -1)),
            Err(error) => panic!("{key}: {error}"),
        };
        let ends = !matches!(dictionary.ttl(&key), Ok(Remaining::Forever));
        state.insert(key, format!("{value} {ends}"));
    }
    state
}

/// What an operation begins with, and what it leads to when nobody dies.
struct Subject {
    scenario: &'static Scenario,
    /// Its place among all.
    index: String,
    template: Named,
    before: State,
    after: State,
}

impl Subject {
    fn new(index: usize) -> Self {
        let scenario = &SCENARIOS[index];
        let template = Named::new("template", &scenario.options());
        (scenario.prepare)(&template.dictionary);
        // Reading is a use, so the template itself is not read.
        let before = state_of(&template.copy("before").dictionary);
        let done = template.copy("after");
        (scenario.act)(&done.dictionary);
        let after = state_of(&done.dictionary);
        Self { scenario, index: index.to_string(), template, before, after }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..SCENARIOS.len()).map(Self::new)
    }

    /// Those in which repairers die, too.
    fn repaired() -> impl Iterator<Item = Self> {
        REPAIRED.iter().map(|name| {
            let index = SCENARIOS.iter().position(|it| it.name == *name);
            Self::new(index.unwrap_or_else(|| panic!("no scenario {name}")))
        })
    }

    /// A dictionary whose last user was to die at a step of the operation, and whether he did.
    fn die_at(&self, step: u64) -> (Named, bool) {
        let named = self.template.copy("death");
        let is_dead = !survives(&named, &self.index, step);
        (named, is_dead)
    }

    /// Fails unless the operation is wholly done or not done, and the dictionary is whole.
    fn verify(&self, named: &Named, place: &str) {
        let found = state_of(&named.dictionary);
        if self.scenario.room == Room::Enough {
            assert!(found == self.before || found == self.after, "{place}: {found:#?}");
        } else {
            self.verify_entries(&found, place);
        }
        let findings = named.dictionary.check().expect("locks are free");
        assert!(findings.is_empty(), "{place}: {findings:?}");
    }

    /// Each entry is as it was or as it will be, and none is missing but those that go anyway.
    fn verify_entries(&self, found: &State, place: &str) {
        for (key, value) in found {
            let is_known =
                self.before.get(key) == Some(value) || self.after.get(key) == Some(value);
            assert!(is_known, "{place}: {key} is {value}");
        }
        let takes_over = self.scenario.room == Room::FromTheOldValue;
        for (key, after) in &self.after {
            let is_sure = self.before.get(key).is_some_and(|before| before == after || !takes_over);
            assert!(!is_sure || found.contains_key(key), "{place}: {key} is gone");
        }
    }
}

/// Steps to die at where there are too many to try them all.
fn some_steps() -> impl Iterator<Item = u64> {
    let all = variable("SHM_EVERY_STEP", 0) != 0;
    let next = move |step: &u64| Some(step + 1 + if all { 0 } else { step / 6 });
    std::iter::successors(Some(1), next).take_while(|step| *step < STEPS_MOST)
}

#[test]
fn an_operation_that_dies_at_any_step_is_done_or_not_done() {
    let mut deaths = 0;
    for subject in Subject::all() {
        let name = subject.scenario.name;
        for step in 1..STEPS_MOST {
            let place = format!("{name}, step {step}");
            let (named, is_dead) = subject.die_at(step);
            if !is_dead {
                assert_eq!(state_of(&named.dictionary), subject.after, "{place}");
                assert!(step > 3, "{name}: the points are there");
                break;
            }
            subject.verify(&named, &place);
            verify_empty_after_flush(&named.dictionary);
            deaths += 1;
        }
    }
    println!("{deaths} deaths in {} operations", SCENARIOS.len());
}

#[test]
fn a_repairer_may_die_at_any_step_too() {
    let mut deaths = 0;
    for subject in Subject::repaired() {
        let before = deaths;
        for step in some_steps() {
            match repairers_that_die(&subject, step) {
                Some(more) => deaths += more,
                None => break,
            }
        }
        assert!(deaths > before + 30, "{}: the points are there", subject.scenario.name);
    }
    println!("{deaths} deaths of repairers after {} operations", REPAIRED.len());
}

/// Lets repairers die after a death at a step of the operation: how many; `None` if it has no such
/// step.
fn repairers_that_die(subject: &Subject, step: u64) -> Option<u64> {
    let mut deaths = 0;
    for repair_step in some_steps() {
        let (named, is_dead) = subject.die_at(step);
        if !is_dead {
            return None;
        }
        let is_over = survives(&named, "repair", repair_step);
        let name = subject.scenario.name;
        subject.verify(&named, &format!("{name}, step {step}, step {repair_step} of the repair"));
        if is_over {
            break;
        }
        deaths += 1;
    }
    Some(deaths)
}

#[test]
fn a_repairer_may_panic_at_any_step_and_the_lock_can_be_had_again() {
    for subject in Subject::repaired() {
        let name = subject.scenario.name;
        let mut panics = 0;
        for step in 1..STEPS_MOST {
            let (named, is_dead) = subject.die_at(2);
            assert!(is_dead, "{name} has two steps");
            let arguments = format!("panic {step}");
            let status = start("victim", &named.name, &arguments).wait().expect("it is ours");
            subject.verify(&named, &format!("{name}, a panic at step {step} of the repair"));
            match status.code() {
                Some(PANICKED) => panics += 1,
                _ => break,
            }
        }
        assert!(panics > 10, "{name}, {panics}: the points are there");
    }
}
