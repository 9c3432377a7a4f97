//! The module `skynet.profile`: how long coroutines run, without the time in which their task
//! waits. It keeps their clocks in Lua, over stop watches of tasks.

use crate::actor::State;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

/// `require "skynet.profile"`.
pub(in crate::api) const OPEN: Native = Native::new(open);

const NATIVES: [(&str, Native); 3] = [
    ("begin_watch", Native::new(begin_watch)),
    ("end_watch", Native::new(end_watch)),
    ("read_watch", Native::new(read_watch)),
];

const TEXT: &str = include_str!("../../../lua/compat/skynet/profile.lua");

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(0);
    stack.load_embedded("skynet.profile", TEXT)?;
    stack.push_table(0, NATIVES.len());
    stack.set_natives(&NATIVES);
    stack.call_or_raise(1, 1)?;
    Ok(Outcome::Return(1))
}

/// `begin_watch([coroutine])`: the number of a watch of the running task, or of the task of that
/// coroutine, which waits. Nil if it is no task's.
fn begin_watch(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let (task, goes) = match stack.kind(1) {
        Kind::Thread => (state.task_in_thread(stack, 1), false),
        _ => (state.running_task(), true),
    };
    match task {
        Some(task) => stack.push_integer(state.skynet.begin_watch(task, goes) as i64),
        None if goes => return Err(Raise::message("no task is running")),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `read_watch(number)`: seconds that the watch shows; nil if its task has ended.
fn read_watch(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let ticks = state.skynet.read_watch(stack.check_integer(1)? as u64);
    Ok(push_seconds(stack, state, ticks))
}

/// `end_watch(number)`: the same, and takes the watch away.
fn end_watch(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let ticks = state.skynet.end_watch(stack.check_integer(1)? as u64);
    Ok(push_seconds(stack, state, ticks))
}

fn push_seconds(stack: &mut Stack<'_>, state: &State, ticks: Option<u64>) -> Outcome {
    match ticks {
        Some(ticks) => stack.push_number(state.core.scale().duration(ticks).as_secs_f64()),
        None => stack.push_nil(),
    }
    Outcome::Return(1)
}
