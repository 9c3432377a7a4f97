//! `hive.call` and `hive.send`, and calls in the form of methods.

use std::sync::Arc;
use std::time::Duration;

use super::arguments::{check_can_block, target, target_with_timeout};
use super::failure;
use crate::actor::{Light, Service, State, unsendable};
use crate::message::Payload;
use crate::vm::{Continuation, Kind, Native, NativeResult, Outcome, Raise, Stack, upvalue};

pub(super) const NATIVES: [(&str, Native); 2] =
    [("call", Native::new(call)), ("send", Native::new(send))];

/// What a blocked call leaves below its results: the service and the method, for messages.
const KEPT: isize = 2;
const ANSWERED: Continuation = Continuation::new(answered, KEPT);

/// `hive.call(target, method, ...)`, with `{ target, timeout = seconds }` as another form of
/// target.
fn call(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "call")?;
    let (target, timeout) = target_with_timeout(stack, state, 1)?;
    let payload = request(stack, state)?;
    stack.set_top(2);
    request_answer(stack, state, target, payload, timeout)
}

/// `hive.send(target, method, ...)`.
fn send(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = target(stack, state, 1)?;
    let payload = request(stack, state)?;
    let sent = state.send(&target, payload);
    state.give_back(target);
    match sent {
        Ok(()) => Ok(Outcome::Return(0)),
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// `service:method(...)`: the method's name is the upvalue. Tasks have the method `cancel`.
pub(super) fn call_method(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let address = match Light::at(stack, 1) {
        Some(Light::Service(address)) => address,
        Some(Light::Task(key)) if stack.bytes(upvalue(1)) == Some(b"cancel") => {
            return super::task::cancel_task(stack, state, key);
        }
        _ => return Err(no_service(stack)),
    };
    check_can_block(stack, "call")?;
    let target = state.peer(address);
    let target = target.map_err(|fault| failure::raise(stack, state, fault))?;
    stack.copy_upvalue(1, 1);
    let payload = pack(stack, state, 1)?;
    stack.set_top(1);
    stack.push_value(1);
    Light::Service(address).put(stack, 1);
    request_answer(stack, state, target, payload, None)
}

#[cold]
fn no_service(stack: &mut Stack<'_>) -> Raise {
    let name = stack.text(upvalue(1));
    match Light::at(stack, 1) {
        Some(Light::Task(_)) => Raise::message(format!("a task has no method `{name}`")),
        _ => stack.type_error(1, "service"),
    }
}

/// The payload of the method at index 2 and the arguments above it.
#[inline(always)]
fn request(stack: &mut Stack<'_>, state: &State) -> Result<Payload, Raise> {
    if stack.kind(2) != Kind::String {
        return Err(stack.type_error(2, "method name"));
    }
    pack(stack, state, 2)
}

/// The payload of the method at `first` and the arguments above it.
#[inline(always)]
pub(super) fn pack(stack: &mut Stack<'_>, state: &State, first: i32) -> Result<Payload, Raise> {
    stack
        .pack_request(first)
        .map_err(|error| failure::raise(stack, state, unsendable("the arguments", &error, "")))
}

/// Sends the request and blocks; the service and the method lie on the stack.
#[inline(always)]
fn request_answer(
    stack: &mut Stack<'_>,
    state: &State,
    target: Arc<Service>,
    payload: Payload,
    timeout: Option<Duration>,
) -> NativeResult {
    match state.call(target, payload, timeout) {
        Ok(()) => Ok(Outcome::BlockThen(0, ANSWERED)),
        Err(fault) => Err(failure::raise(stack, state, fault)),
    }
}

/// The call is over: its results lie above the service and the method, or the host left a fault.
fn answered(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    let Some(mut fault) = state.take_failure() else {
        return Ok(Outcome::Return(stack.top() - kept as i32));
    };
    failure::name_call(&mut fault, &stack.text(2), &stack.text(1));
    Err(failure::raise(stack, state, *fault))
}
