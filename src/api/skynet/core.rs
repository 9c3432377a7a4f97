//! Natives that the Lua files of the module use among themselves (`skynet.core`).

use std::sync::atomic::Ordering;

use moonhive_kernel::address::Address;

use super::arguments::{Target, target};
use super::{name, request, spawn};
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 18] = [
    ("alive", Native::new(alive)),
    ("answer", request::ANSWER),
    ("before_start", Native::new(before_start)),
    ("begin_request", Native::new(begin_request)),
    ("coroutine", Native::new(coroutine)),
    ("kill_task", Native::new(kill_task)),
    ("memory", Native::new(memory)),
    ("named", name::NAMED),
    ("newcell", spawn::NEW_CELL),
    ("protocols", Native::new(protocols)),
    ("request", request::REQUEST),
    ("services", Native::new(services)),
    ("set_monitor", Native::new(set_monitor)),
    ("set_record", Native::new(set_record)),
    ("starter", Native::new(starter)),
    ("tasks", Native::new(tasks)),
    ("tag", Native::new(tag)),
    ("timers", Native::new(timers)),
];

/// `alive(address)`: whether a service lives there.
fn alive(stack: &mut Stack<'_>) -> NativeResult {
    let found = target(stack, State::of(stack)?, 1)?;
    stack.push_bool(matches!(found, Target::Found(_)));
    Ok(Outcome::Return(1))
}

/// `before_start(f)`: has `f` run before the start function; false if the file has returned
/// already.
fn before_start(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(1, Kind::Function)?;
    stack.set_top(1);
    let comes_in_time = !state.has_started();
    if comes_in_time {
        state.skynet.add_init(stack.keep());
    }
    stack.push_bool(comes_in_time);
    Ok(Outcome::Return(1))
}

/// `protocols()`: the names of the protocols that this service knows.
fn protocols(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.push_table(4, 0);
    for (place, name) in (1..).zip(state.skynet.protocols.borrow().names()) {
        stack.push_bytes(name);
        stack.raw_set_item(-2, place);
    }
    Ok(Outcome::Return(1))
}

/// `services()`: every service of the host by its address, with how it was launched.
fn services(stack: &mut Stack<'_>) -> NativeResult {
    let core = &State::of(stack)?.core;
    let outside = core.outside_address();
    let all: Vec<(Address, String)> = core
        .table
        .snapshot()
        .into_iter()
        .filter(|(address, _)| Some(*address) != outside)
        .map(|(address, service)| (address, service.launched()))
        .collect();
    stack.push_table(0, all.len());
    for (address, launched) in all {
        stack.push_integer(address.number() as i64);
        stack.push_str(&launched);
        stack.raw_set(-3);
    }
    Ok(Outcome::Return(1))
}

/// `memory()`: bytes of Lua memory of every service, by address, at the end of its last turn.
fn memory(stack: &mut Stack<'_>) -> NativeResult {
    let core = &State::of(stack)?.core;
    let all = core.table.snapshot();
    stack.push_table(0, all.len());
    for (address, service) in all {
        let bytes = service.figures.memory_bytes.load(Ordering::Relaxed);
        if bytes > 0 {
            stack.push_integer(address.number() as i64);
            stack.push_integer(bytes as i64);
            stack.raw_set(-3);
        }
    }
    Ok(Outcome::Return(1))
}

/// `tasks()`: the coroutines of the tasks that wait, by the session they wait under.
fn tasks(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.push_table(0, 0);
    state.for_each_waiting(|session, coroutine| {
        stack.push_integer(session as i64);
        stack.push_coroutine(coroutine);
        stack.raw_set(-3);
    });
    Ok(Outcome::Return(1))
}

/// `timers()`: the timers that have not begun their task, by a number of their own.
fn timers(stack: &mut Stack<'_>) -> NativeResult {
    let timers = State::of(stack)?.timers();
    stack.push_table(0, timers.len());
    for key in timers {
        stack.push_integer(key.to_bits() as i64);
        Light::Task(key).push(stack);
        stack.raw_set(-3);
    }
    Ok(Outcome::Return(1))
}

/// `coroutine(timer)`: the coroutine of the task that a timer has begun; nil if there is none.
fn coroutine(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match Light::at(stack, 1) {
        Some(Light::Task(key)) => state.push_coroutine_of(stack, key),
        _ => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `starter()`: the coroutine that starts this service; nil once it has started.
fn starter(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?.push_starter(stack);
    Ok(Outcome::Return(1))
}

/// `kill_task(what)`: takes away the task of that coroutine or timer, which does not run; false if
/// there is none.
fn kill_task(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let key = match Light::at(stack, 1) {
        Some(Light::Task(key)) => Some(key),
        _ if stack.kind(1) == Kind::Thread => state.task_in_thread(stack, 1),
        _ => None,
    };
    let is_gone = key.is_some_and(|key| state.kill_task(stack, key));
    stack.push_bool(is_gone);
    Ok(Outcome::Return(1))
}

/// `begin_request()`: the running task works for a request that is followed by log lines from now
/// on.
fn begin_request(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let request = state.request();
    let request = if request.is_none() { state.new_request() } else { request };
    state.set_request(request.told());
    Ok(Outcome::Return(0))
}

/// `tag()`: the id of the request of the running task if `begin_request` follows it, or nil.
fn tag(stack: &mut Stack<'_>) -> NativeResult {
    let request = State::of(stack)?.request();
    match request.shown().filter(|_| request.is_told()) {
        Some(id) => stack.push_str(&id),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `set_monitor(address)`: who is told of the end of every service.
fn set_monitor(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match target(stack, state, 1)? {
        Target::Found(service) => state.core.set_exit_monitor(&service),
        Target::Missing(fault) => return Err(Raise::message(fault.message)),
    }
    Ok(Outcome::Return(0))
}

/// `set_record(f)`: `f` is shown every request and one-way message; nil ends that.
fn set_record(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let record = if stack.is_none_or_nil(1) {
        None
    } else {
        stack.check_kind(1, Kind::Function)?;
        stack.set_top(1);
        state.skynet.watch_messages();
        Some(stack.keep())
    };
    let before = std::mem::replace(&mut state.skynet.protocols.borrow_mut().record, record);
    before.into_iter().for_each(|before| stack.release(before));
    Ok(Outcome::Return(0))
}
