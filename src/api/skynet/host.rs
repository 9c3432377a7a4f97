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
    let key = stack.check_str(1)?;
    match state.core.env(key).or_else(|| default(state, key)) {
        Some(value) => stack.push_str(&value),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// Settings that every program for skynet finds.
fn default(state: &State, key: &str) -> Option<String> {
    match key {
        "bootstrap" => Some("snlua bootstrap".to_owned()),
        "cpath" => Some("./cservice/?.so".to_owned()),
        "harbor" => Some("0".to_owned()),
        "logservice" => Some("logger".to_owned()),
        "profile" => Some("true".to_owned()),
        "start" => state.core.main_name.get().cloned(),
        "thread" => Some(state.core.handle.workers().to_string()),
        _ => None,
    }
}

/// `skynet.setenv(key, value)`: a setting that nobody made before.
fn setenv(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let key = stack.check_str(1)?.to_owned();
    stack.check_bytes(2)?;
    let value = stack.text(2);
    let set = state.core.set_env(&key, &value);
    if !set.map_err(|fault| Raise::message(fault.message))? {
        return Err(Raise::message(format!("Can't setenv exist key : {key}")));
    }
    Ok(Outcome::Return(0))
}

/// `skynet.error(...)`: a log line, of nothing `nil`.
fn error(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.set_top(stack.top().max(1));
    let text = stack.joined_texts(1)?;
    state.log_line(&String::from_utf8_lossy(&text));
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
