//! What a service asks of its host: settings, log lines, figures.

use crate::actor::State;
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 7] = [
    ("endless", Native::new(endless)),
    ("error", Native::new(error)),
    ("getenv", Native::new(getenv)),
    ("memlimit", Native::new(memlimit)),
    ("mqlen", Native::new(mqlen)),
    ("setenv", Native::new(setenv)),
    ("stat", Native::new(stat)),
];

/// `skynet.getenv(key)`: a setting, as a string, or nil.
fn getenv(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let key = stack.check_bytes(1)?;
    match state.core.env(key).or_else(|| default(state, key)) {
        Some(value) => stack.push_bytes(&value),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// Settings that every program for skynet finds.
fn default(state: &State, key: &[u8]) -> Option<Vec<u8>> {
    let text = match key {
        b"bootstrap" => "snlua bootstrap",
        b"cpath" => "./cservice/?.so",
        b"harbor" => "0",
        b"logservice" => "logger",
        b"profile" => "true",
        b"start" => state.core.main_name.get()?,
        b"thread" => return Some(state.core.handle.workers().to_string().into()),
        _ => return None,
    };
    Some(text.into())
}

/// `skynet.setenv(key, value)`: a setting that nobody made before.
fn setenv(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let set = state.core.set_env(stack.check_bytes(1)?, stack.check_bytes(2)?);
    if !set.map_err(|fault| Raise::message(fault.message))? {
        let key = stack.text(1);
        return Err(Raise::message(format!("Can't setenv exist key : {key}")));
    }
    Ok(Outcome::Return(0))
}

/// `skynet.error(...)`: a log line, of nothing `nil`.
fn error(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.set_top(stack.top().max(1));
    let text = stack.joined_texts(1)?;
    state.log_line(&text);
    Ok(Outcome::Return(0))
}

/// `skynet.memlimit(bytes)`: the most Lua memory that this service may use.
fn memlimit(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?;
    match usize::try_from(stack.check_integer(1)?) {
        Ok(limit) if limit > 0 => stack.set_memory_limit(Some(limit)),
        _ => return Err(Raise::argument(1, "expected a number of bytes")),
    }
    Ok(Outcome::Return(0))
}

/// `skynet.mqlen()`: messages that wait for this service.
fn mqlen(stack: &mut Stack<'_>) -> NativeResult {
    let waiting = State::of(stack)?.own_figures().mailbox;
    stack.push_integer(waiting as i64);
    Ok(Outcome::Return(1))
}

/// `skynet.endless()`: whether a turn of this service took so long that it may never have ended,
/// since this was asked last.
fn endless(stack: &mut Stack<'_>) -> NativeResult {
    let looped = State::of(stack)?.service.figures.take_loop();
    stack.push_bool(looped);
    Ok(Outcome::Return(1))
}

/// `skynet.stat(what)`: a figure of this service.
fn stat(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    // Whoever looks at these figures wants them to the point.
    state.measure_exactly();
    let own = state.own_figures();
    match stack.check_bytes(1)? {
        b"mqlen" => stack.push_integer(own.mailbox as i64),
        b"message" => stack.push_integer(i64::try_from(own.messages).unwrap_or(i64::MAX)),
        b"task" => stack.push_integer(own.tasks as i64),
        b"endless" => stack.push_integer(state.service.figures.take_loop().into()),
        b"cpu" => stack.push_number(own.time.as_secs_f64()),
        b"time" => stack.push_number(state.time_of_this_run().as_secs_f64()),
        _ => {
            let choices = "expected mqlen, message, task, cpu, time or endless";
            return Err(Raise::argument(1, choices));
        }
    }
    Ok(Outcome::Return(1))
}
