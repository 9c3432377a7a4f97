//! What a service asks about itself, others and the host: names, ends, settings, clocks, figures.

use std::time::{SystemTime, UNIX_EPOCH};

use super::arguments::{optional_text, target};
use super::failure;
use crate::actor::{self, End, Light, State, kill};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 11] = [
    ("caller", Native::new(caller)),
    ("env", Native::new(env)),
    ("exit", Native::new(exit)),
    ("find", Native::new(find)),
    ("kill", Native::new(kill_target)),
    ("now", Native::new(now)),
    ("register", Native::new(register)),
    ("self", Native::new(own)),
    ("shutdown", Native::new(shutdown)),
    ("stop", Native::new(stop)),
    ("time", Native::new(time)),
];

/// `hive.self()`.
fn own(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    Light::Service(state.service.address()).push(stack);
    Ok(Outcome::Return(1))
}

/// `hive.caller()`.
fn caller(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.caller() {
        Some(address) => Light::Service(address).push(stack),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `hive.register(name [, target])`.
fn register(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_str(1)?;
    let service = match stack.is_none_or_nil(2) {
        true => state.service.clone(),
        false => target(stack, state, 2)?,
    };
    let registered = state.core.register(stack.check_str(1)?, &service);
    match registered {
        Ok(()) => Ok(Outcome::Return(0)),
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// `hive.find(name)`.
fn find(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.core.find(stack.check_str(1)?) {
        Some(service) => Light::Service(service.address()).push(stack),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `hive.exit([reason])`: never returns. With an error in place of a reason the service has failed.
fn exit(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    state.leave(match stack.kind(1) {
        Kind::Table => End::Failed(failure::fault_at(stack, 1)),
        _ => End::Exited(optional_text(stack, 1)?),
    });
    stop_here(stack)
}

/// The running task goes no further.
fn stop_here(stack: &mut Stack<'_>) -> NativeResult {
    if stack.can_block() {
        stack.set_top(0);
        return Ok(Outcome::Block(0));
    }
    Err(Raise::message("the service exits"))
}

/// `hive.stop(target [, reason])`: false if it has ended already.
fn stop(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let reason = optional_text(stack, 2)?;
    let alive = match existing(stack, state)? {
        Some(target) => actor::stop(&target, reason),
        None => false,
    };
    stack.push_bool(alive);
    Ok(Outcome::Return(1))
}

/// `hive.kill(target [, reason])`: false if it has ended already.
fn kill_target(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let reason = optional_text(stack, 2)?;
    let own = state.service.address();
    // Somebody else may have killed it: then it is in no table any more.
    let mut is_own = matches!(Light::at(stack, 1), Some(Light::Service(address)) if address == own);
    let target = existing(stack, state)?;
    let alive = target.as_ref().is_some_and(|target| kill(target, reason));
    is_own |= target.is_some_and(|target| target.address() == own);
    if is_own {
        return stop_here(stack);
    }
    stack.push_bool(alive);
    Ok(Outcome::Return(1))
}

/// The target in the first argument, unless that is a service that has ended.
pub(super) fn existing(
    stack: &mut Stack<'_>,
    state: &State,
) -> Result<Option<std::sync::Arc<crate::actor::Service>>, Raise> {
    match Light::at(stack, 1) {
        Some(Light::Service(address)) => Ok(state.core.table.get(address)),
        _ => target(stack, state, 1).map(Some),
    }
}

/// `hive.env(key)`.
fn env(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.core.env(stack.check_bytes(1)?) {
        Some(value) => stack.push_bytes(&value),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `hive.shutdown([code])`.
fn shutdown(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let code = stack.optional_integer(1)?.unwrap_or(0);
    let Ok(code @ 0..=255) = i32::try_from(code) else {
        return Err(Raise::argument(1, format!("an exit code is 0 to 255, got {code}")));
    };
    state.core.warden.request_shutdown(code);
    Ok(Outcome::Return(0))
}

/// `hive.now()`: seconds since the host began.
fn now(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.push_number(state.core.handle.clock().now_ns() as f64 / 1e9);
    Ok(Outcome::Return(1))
}

/// `hive.time()`: seconds since 1970.
fn time(stack: &mut Stack<'_>) -> NativeResult {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    stack.push_number(since.as_secs_f64());
    Ok(Outcome::Return(1))
}
