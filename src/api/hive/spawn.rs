//! `hive.spawn`.

use std::str::FromStr;
use std::time::Duration;

use super::arguments::{check_can_block, check_options, timeout_option};
use super::failure;
use crate::actor::{Caller, Code, Light, Spawn, State, WhenFull, kill, unsendable};
use crate::code::Mode;
use crate::vm::{Continuation, Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 1] = [("spawn", Native::new(spawn))];

const OPTIONS: [&str; 6] =
    ["cache", "mailbox_limit", "memory_limit", "register", "timeout", "when_full"];

/// `hive.spawn(name, ...)` or `hive.spawn({ name, option = ... }, ...)`.
fn spawn(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "spawn")?;
    let (spawn, timeout) = plan(stack)?;
    let count = stack.top() - 1;
    let arguments = stack
        .pack(2, count, "args")
        .map_err(|error| failure::raise(stack, state, unsendable("the arguments", &error, "")))?;
    let session = match state.begin_wait(timeout) {
        Ok(wait) => wait.session,
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    };
    let caller = Caller::waiting(state.service.clone(), session);
    match state.core.spawn(&spawn, arguments, caller) {
        Ok(service) => {
            state.expects_of(service.address());
            stack.set_top(0);
            Light::Service(service.address()).push(stack);
            Ok(Outcome::BlockThen(0, const { Continuation::new(spawned, 1) }))
        }
        Err(fault) => {
            state.cancel_wait();
            Err(failure::raise(stack, state, fault))
        }
    }
}

/// The file of the new service has returned, or the host left a fault.
fn spawned(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    stack.set_top(kept as i32);
    let Some(mut fault) = state.take_failure() else { return Ok(Outcome::Return(1)) };
    if matches!(fault.code, Code::Timeout | Code::Cancelled) {
        fault.message = format!("spawn of {}: {}", stack.text(1), fault.message);
        // Nobody will ever know the service's address.
        if let Some(Light::Service(address)) = Light::at(stack, 1)
            && let Ok(service) = state.core.service(address)
        {
            kill(&service, Some(format!("its spawn ended with `{}`", fault.code)));
        }
    }
    Err(failure::raise(stack, state, *fault))
}

/// What to start, from the first argument.
fn plan(stack: &mut Stack<'_>) -> Result<(Spawn, Option<Duration>), Raise> {
    if stack.kind(1) != Kind::Table {
        return Ok((Spawn::named(stack.check_str(1)?), None));
    }
    check_options(stack, 1, &OPTIONS)?;
    stack.raw_get_item(1, 1);
    let Some(name) = stack.str(-1).map(str::to_owned) else {
        return Err(Raise::argument(1, "the name of the service is missing: { \"name\", ... }"));
    };
    stack.pop(1);
    let mut spawn = Spawn::named(name);
    if let Some(name) = text_option(stack, "register")? {
        spawn = spawn.register(name);
    }
    if let Some(limit) = size_option(stack, "memory_limit")? {
        spawn = spawn.memory_limit_bytes(limit);
    }
    if let Some(limit) = size_option(stack, "mailbox_limit")? {
        spawn = spawn.mailbox_messages(limit);
    }
    if let Some(mode) = text_option(stack, "cache")? {
        let mode = Mode::from_str(&mode);
        spawn = spawn.cache_mode(mode.map_err(|error| Raise::argument(1, error.to_string()))?);
    }
    if let Some(policy) = text_option(stack, "when_full")? {
        let policy = WhenFull::from_str(&policy);
        spawn = spawn.when_full(policy.map_err(|error| Raise::argument(1, error.to_string()))?);
    }
    Ok((spawn, timeout_option(stack, 1)?))
}

fn text_option(stack: &mut Stack<'_>, name: &str) -> Result<Option<String>, Raise> {
    let kind = stack.raw_get_field(1, name);
    let text = stack.str(-1).map(str::to_owned);
    stack.pop(1);
    match (kind, text) {
        (Kind::Nil, _) => Ok(None),
        (_, Some(text)) => Ok(Some(text)),
        _ => Err(Raise::argument(1, format!("option '{name}' is not a string"))),
    }
}

fn size_option(stack: &mut Stack<'_>, name: &str) -> Result<Option<usize>, Raise> {
    let kind = stack.raw_get_field(1, name);
    let size = stack.integer(-1).and_then(|size| usize::try_from(size).ok());
    stack.pop(1);
    match (kind, size) {
        (Kind::Nil, _) => Ok(None),
        (_, Some(size)) if size > 0 => Ok(Some(size)),
        _ => Err(Raise::argument(1, format!("option '{name}' is not a positive integer"))),
    }
}
