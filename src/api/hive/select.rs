//! The natives under `hive.select`: a call that nobody waits in, and what became of it.

use super::arguments::{optional_seconds, target};
use super::{call, failure};
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack};

pub(super) const NATIVES: [(&str, Native); 2] =
    [("outcome", Native::new(outcome)), ("request", Native::new(request))];

/// What stands before the target in the arguments of [`request`]: the function that gets the
/// outcome, two values for it, and the time the call may take.
const BEFORE_TARGET: i32 = 4;

/// `request(f, a, b, seconds, target, method, ...)`: sends the request at once; when the call is over
/// `f(a, b, target, method, ...)` runs in a task of its own, with the results or with a failure that
/// [`outcome`] takes. Returns the task.
fn request(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let timeout = optional_seconds(stack, BEFORE_TARGET)?;
    let target = target(stack, state, BEFORE_TARGET + 1)?;
    let method = BEFORE_TARGET + 2;
    if stack.kind(method) != Kind::String {
        return Err(stack.type_error(method, "method name"));
    }
    let payload = call::pack(stack, state, method)?;
    stack.set_top(method);
    stack.remove(BEFORE_TARGET);
    match state.begin_call(stack, 1, &target, payload, timeout) {
        Ok(key) => Light::Task(key).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// `outcome(target, method, ...)`: true and the results of the call that began this task, or false and
/// its error.
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
