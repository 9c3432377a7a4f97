//! The module `skynet.profile`: how long a task runs, without the time in which it waits.

use crate::actor::State;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

/// `require "skynet.profile"`.
pub(in crate::api) const OPEN: Native = Native::new(open);

const NATIVES: [(&str, Native); 3] =
    [("elapsed", Native::new(elapsed)), ("start", Native::new(start)), ("stop", Native::new(stop))];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(0);
    stack.push_table(0, 6);
    stack.set_natives(&NATIVES);
    // Coroutines of a program are part of the task that runs them.
    stack.push_globals();
    if stack.raw_get_field(-1, "coroutine") == Kind::Table {
        for name in ["resume", "wrap", "yield"] {
            stack.raw_get_field(-1, name);
            stack.raw_set_field(1, name);
        }
    }
    stack.set_top(1);
    Ok(Outcome::Return(1))
}

/// `profile.start()`: begins to measure the running task.
fn start(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let task = state.running_task().ok_or_else(|| Raise::message("no task is running"))?;
    if !state.skynet.begin_watch(task) {
        return Err(Raise::message("this task is being profiled already"));
    }
    Ok(Outcome::Return(0))
}

/// `profile.elapsed()`: seconds that the task has run since; the watch goes on.
fn elapsed(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let ticks = state.running_task().and_then(|task| state.skynet.read_watch(task));
    push_seconds(stack, state, ticks)
}

/// `profile.stop()`: seconds that the task has run since.
fn stop(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let ticks = state.running_task().and_then(|task| state.skynet.end_watch(task));
    push_seconds(stack, state, ticks)
}

fn push_seconds(stack: &mut Stack<'_>, state: &State, ticks: Option<u64>) -> NativeResult {
    let ticks = ticks.ok_or_else(|| Raise::message("call profile.start() first"))?;
    stack.push_number(state.core.scale().duration(ticks).as_secs_f64());
    Ok(Outcome::Return(1))
}
