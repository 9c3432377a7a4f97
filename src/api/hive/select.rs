//! The natives under `hive.select`: a call that nobody waits in, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use super::arguments::{optional_seconds, target};
use super::{call, failure};
use crate::actor::{Light, Service, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 2] =
    [("outcome", Native::new(outcome)), ("request", Native::new(request))];

/// What stands before the target in the arguments of [`request`]: the function that gets the
/// outcome, two values for it, and the time the call may take.
const BEFORE_TARGET: i32 = 4;
/// Where the name of the method stands.
const METHOD: i32 = BEFORE_TARGET + 2;

/// `request(f, a, b, seconds, target, method, ...)`: sends the request at once; when the call is
/// over `f(a, b, target, method, ...)` runs in a task of its own, with the results or with a
/// failure that [`outcome`] takes. Returns the task, or nil and what is wrong with an argument.
fn request(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let (target, timeout) = match receiver(stack, state) {
        Ok(found) => found,
        Err(raise) => return failure::tell_bad_argument(stack, raise),
    };
    let payload = call::pack(stack, state, METHOD)?;
    stack.set_top(METHOD);
    stack.remove(BEFORE_TARGET);
    match state.begin_call(stack, 1, &target, payload, timeout) {
        Ok(key) => Light::Task(key).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// To whom a request goes, and how long it may take.
fn receiver(
    stack: &mut Stack<'_>,
    state: &State,
) -> Result<(Arc<Service>, Option<Duration>), Raise> {
    let timeout = optional_seconds(stack, BEFORE_TARGET)?;
    let target = target(stack, state, BEFORE_TARGET + 1)?;
    if stack.kind(METHOD) != Kind::String {
        return Err(stack.type_error(METHOD, "method name"));
    }
    Ok((target, timeout))
}

/// `outcome(target, method, ...)`: true and the results of the call that began this task, or false
/// and its error.
fn outcome(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let Some(mut fault) = state.take_failure() else {
        stack.push_bool(true);
        stack.replace(2);
        return Ok(Outcome::Return(stack.top() - 1));
    };
    failure::name_call(&mut fault, &stack.text(2), &stack.text(1));
    stack.push_bool(false);
    failure::push(stack, state, *fault);
    Ok(Outcome::Return(2))
}
