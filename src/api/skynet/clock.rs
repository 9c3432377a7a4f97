//! Clocks. skynet counts in ticks of 10 ms.

use crate::actor::State;
use crate::vm::{Native, NativeResult, Outcome, Stack};

pub(super) const NATIVES: [(&str, Native); 4] = [
    ("hpc", Native::new(hpc)),
    ("now", Native::new(now)),
    ("starttime", Native::new(starttime)),
    ("time", Native::new(time)),
];

const TICKS_PER_SECOND: f64 = 100.0;

/// `skynet.now()`: ticks since the beginning of the second in which the host began.
fn now(stack: &mut Stack<'_>) -> NativeResult {
    let ticks = State::of(stack)?.ticks();
    stack.push_integer(ticks as i64);
    Ok(Outcome::Return(1))
}

/// `skynet.starttime()`: the second since 1970 in which the host began.
fn starttime(stack: &mut Stack<'_>) -> NativeResult {
    let started = State::of(stack)?.started_unix_s();
    stack.push_integer(started as i64);
    Ok(Outcome::Return(1))
}

/// `skynet.time()`: seconds since 1970, by the clock of `now`.
fn time(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let since = state.ticks() as f64 / TICKS_PER_SECOND;
    stack.push_number(state.started_unix_s() as f64 + since);
    Ok(Outcome::Return(1))
}

/// `skynet.hpc()`: nanoseconds of a clock that never goes back.
fn hpc(stack: &mut Stack<'_>) -> NativeResult {
    let now_ns = State::of(stack)?.core.handle.clock().now_ns();
    stack.push_integer(now_ns as i64);
    Ok(Outcome::Return(1))
}
