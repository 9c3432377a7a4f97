//! `hive.fork`, `hive.after`, `hive.every`, `hive.monitor`, and their `cancel`.

use super::arguments::seconds;
use super::failure;
use crate::actor::{Fault, Key, Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 4] = [
    ("after", Native::new(after)),
    ("every", Native::new(every)),
    ("fork", Native::new(fork)),
    ("monitor", Native::new(monitor)),
];

/// `hive.fork(f, ...)`.
fn fork(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(1, Kind::Function)?;
    let task = state.fork(stack, 1);
    push_task(stack, state, task)
}

/// `hive.after(seconds, f, ...)`.
fn after(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let delay = seconds(stack, 1)?;
    stack.check_kind(2, Kind::Function)?;
    let task = state.timer(stack, 2, delay);
    push_task(stack, state, task)
}

/// `hive.every(seconds, f, ...)`.
fn every(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let interval = seconds(stack, 1)?;
    if interval.is_zero() {
        return Err(Raise::argument(1, "expected more than 0 seconds"));
    }
    stack.check_kind(2, Kind::Function)?;
    let task = state.repeated_timer(stack, 2, interval);
    push_task(stack, state, task)
}

/// `hive.monitor(target, f)`.
fn monitor(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(2, Kind::Function)?;
    stack.set_top(2);
    let task = match Light::at(stack, 1) {
        Some(Light::Service(address)) => match state.core.table.get(address) {
            Some(target) => state.monitor(stack, 2, &target),
            None => state.monitor_gone(stack, 2, address),
        },
        _ => {
            let target = super::arguments::target(stack, state, 1)?;
            state.monitor(stack, 2, &target)
        }
    };
    push_task(stack, state, task)
}

pub(super) fn push_task(
    stack: &mut Stack<'_>,
    state: &State,
    task: Result<Key, Fault>,
) -> NativeResult {
    match task {
        Ok(key) => Light::Task(key).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// `task:cancel()`: whether there was something left to cancel.
pub(super) fn cancel_task(stack: &mut Stack<'_>, state: &State, key: Key) -> NativeResult {
    match state.cancel(stack, key) {
        Ok(cancelled) => stack.push_bool(cancelled),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}
