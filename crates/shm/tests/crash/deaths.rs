//! A death at each step of each operation, and at each step of the repair that follows.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use moonhive_shm::{Dictionary, Error, Remaining, fault};

use crate::scenarios::{SCENARIOS, Scenario};
use crate::storm::verify_empty_after_flush;
use crate::{Named, say_ready, start};

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
        "repair" => drop(dictionary.length("any")),
        "panic" => panic_in_repair(dictionary, step),
        _ => (SCENARIOS[index.parse::<usize>().expect("a number")].act)(dictionary),
    }
    fault::arm(0);
}

/// What a child's exit code says of a panic.
const PANICKED: i32 = 3;

/// Panics at a step of the repair of what another has left, and ends; goes on without a panic.
fn panic_in_repair(dictionary: &Dictionary, step: u64) {
    fault::arm_panic(step);
    let length = catch_unwind(AssertUnwindSafe(|| drop(dictionary.length("any"))));
    fault::arm(0);
    if length.is_err() {
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

/// What the operation leads to when nobody dies.
fn states(scenario: &Scenario) -> (State, State) {
    let named = Named::new("model", scenario.size_bytes);
    (scenario.prepare)(&named.dictionary);
    let before = state_of(&named.dictionary);
    (scenario.act)(&named.dictionary);
    (before, state_of(&named.dictionary))
}

/// Fails unless the operation is wholly done or not done, and the dictionary is whole.
fn verify(named: &Named, scenario: &Scenario, expected: &(State, State), place: &str) {
    let (before, after) = expected;
    let found = state_of(&named.dictionary);
    if scenario.evicts {
        for entry in &found {
            let (key, value) = entry;
            let is_known = before.get(key) == Some(value) || after.get(key) == Some(value);
            assert!(is_known, "{place}: {entry:?}");
        }
    } else {
        assert!(found == *before || found == *after, "{place}: {found:#?}");
    }
    let findings = named.dictionary.check().expect("locks are free");
    assert!(findings.is_empty(), "{place}: {findings:?}");
}

#[test]
fn an_operation_that_dies_at_any_step_is_done_or_not_done() {
    let mut deaths = 0;
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let expected = states(scenario);
        for step in 1..STEPS_MOST {
            let named = Named::new("deaths", scenario.size_bytes);
            (scenario.prepare)(&named.dictionary);
            let place = format!("{}, step {step}", scenario.name);
            if survives(&named, &index.to_string(), step) {
                assert!(state_of(&named.dictionary) == expected.1 || scenario.evicts, "{place}");
                break;
            }
            deaths += 1;
            verify(&named, scenario, &expected, &place);
            verify_empty_after_flush(&named.dictionary);
        }
    }
    println!("{deaths} deaths");
    assert!(deaths > 200, "{deaths}: the points are there");
}

#[test]
fn a_repairer_may_die_at_any_step_too() {
    let scenario_index = SCENARIOS.iter().position(|it| it.name == "overwrite a list");
    let index = scenario_index.expect("it is there");
    let scenario = &SCENARIOS[index];
    let expected = states(scenario);
    let mut deaths = 0;
    'operation: for step in 1..STEPS_MOST {
        for repair_step in 1..STEPS_MOST {
            let named = Named::new("repairs", scenario.size_bytes);
            (scenario.prepare)(&named.dictionary);
            if survives(&named, &index.to_string(), step) {
                break 'operation;
            }
            let repaired = survives(&named, "repair", repair_step);
            deaths += u64::from(!repaired);
            let place = format!("step {step}, step {repair_step} of the repair");
            verify(&named, scenario, &expected, &place);
            if repaired {
                break;
            }
        }
    }
    println!("{deaths} deaths of repairers");
    assert!(deaths > 200, "{deaths}: the points are there");
}

#[test]
fn a_repairer_may_panic_at_any_step_and_the_lock_can_be_had_again() {
    let index = SCENARIOS.iter().position(|it| it.name == "overwrite a list");
    let index = index.expect("it is there");
    let scenario = &SCENARIOS[index];
    let expected = states(scenario);
    let mut panics = 0;
    for step in 1..STEPS_MOST {
        let named = Named::new("panics", scenario.size_bytes);
        (scenario.prepare)(&named.dictionary);
        assert!(!survives(&named, &index.to_string(), 1), "it dies at its first step");
        let arguments = format!("panic {step}");
        let status = start("victim", &named.name, &arguments).wait().expect("it is ours");
        verify(&named, scenario, &expected, &format!("a panic at step {step} of the repair"));
        match status.code() {
            Some(PANICKED) => panics += 1,
            _ => break,
        }
    }
    assert!(panics > 10, "{panics}: the points are there");
}
