//! The natives under `hive.unique` and `hive.queue`.

use super::failure;
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack};

pub(super) const UNIQUE: [(&str, Native); 2] =
    [("fail", Native::new(fail)), ("standard", Native::new(standard))];

pub(super) const QUEUE: [(&str, Native); 1] = [("task", Native::new(task))];

/// `standard(name)`: a service that is part of the host, started when it is first asked for.
fn standard(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.core.standard(stack.check_str(1)?) {
        Ok(service) => Light::Service(service.address()).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// `fail(err)`: raises an error that came as a plain table.
fn fail(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(1, Kind::Table)?;
    let fault = failure::fault_at(stack, 1);
    Err(failure::raise(stack, state, fault))
}

/// `task()`: the running task, as a value that can be compared.
fn task(stack: &mut Stack<'_>) -> NativeResult {
    match State::of(stack)?.running_task() {
        Some(key) => Light::Task(key).push(stack),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}
