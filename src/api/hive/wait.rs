//! `hive.sleep`, `hive.wait`, `hive.wakeup`, and deadlines.

use super::arguments::{check_can_block, optional_seconds, seconds};
use super::failure;
use crate::actor::{Light, State, Token};
use crate::vm::{Continuation, Native, NativeResult, Outcome, Stack};

/// `hive.wait`.
pub(in crate::api) const WAIT: Native = Native::new(wait);
/// `hive.wakeup`.
pub(in crate::api) const WAKEUP: Native = Native::new(wakeup);

pub(super) const NATIVES: [(&str, Native); 4] = [
    ("deadline", Native::new(deadline)),
    ("sleep", Native::new(sleep)),
    ("wait", WAIT),
    ("wakeup", WAKEUP),
];

/// `hive.sleep(seconds)`.
fn sleep(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "sleep")?;
    let duration = seconds(stack, 1)?;
    stack.set_top(0);
    match state.sleep(duration) {
        Ok(()) => Ok(Outcome::BlockThen(0, const { Continuation::new(go_on, 0) })),
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// `hive.wait([token [, seconds]])`: true and what `wakeup` was given, or false when time is over.
fn wait(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "wait")?;
    let timeout = optional_seconds(stack, 2)?;
    stack.set_top(1);
    if stack.is_none_or_nil(1) {
        stack.push_this_thread();
        stack.replace(1);
    }
    // The token stays on the stack, so that its address is not used for another object.
    let token = Token::of(stack, 1)?;
    match state.wait(token, timeout) {
        Ok(()) => Ok(Outcome::BlockThen(0, const { Continuation::new(go_on, 1) })),
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// A wait is over: its results lie above the values that were kept, or the host left a fault.
fn go_on(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    match state.take_failure() {
        None => Ok(Outcome::Return(stack.top() - kept as i32)),
        Some(fault) => Err(failure::raise(stack, state, *fault)),
    }
}

/// `hive.wakeup(token, ...)`: whether somebody waited.
fn wakeup(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let token = Token::of(stack, 1)?;
    let woken = state.wakeup(stack, &token, 2);
    stack.push_bool(woken);
    Ok(Outcome::Return(1))
}

/// Begins a deadline for the running task; the value ends it when it is closed. Nil and what is
/// wrong with its argument.
fn deadline(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let timeout = match seconds(stack, 1) {
        Ok(timeout) => timeout,
        Err(raise) => return failure::tell_bad_argument(stack, raise),
    };
    match state.begin_scope(timeout) {
        Ok(scope) => Light::Scope(scope).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}
