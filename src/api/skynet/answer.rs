//! Answers: `skynet.ret`, `retpack`, `response`, and what a handler knows of its request.

use std::cell::Cell;
use std::sync::Arc;

use super::arguments::check_callable;
use super::block;
use crate::actor::skynet::{OpenAnswer, Owed};
use crate::actor::{Caller, Code, Fault, Service, State};
use crate::message::Payload;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack, Userdata, upvalue};

pub(super) const NATIVES: [(&str, Native); 5] = [
    ("context", Native::new(context)),
    ("ignoreret", Native::new(ignoreret)),
    ("response", Native::new(response)),
    ("ret", Native::new(ret)),
    ("retpack", Native::new(retpack)),
];

/// `skynet.ret(msg, sz)`: whether somebody got the answer.
fn ret(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let payload = block::take(stack, state, 1)?;
    give(stack, state, payload)
}

/// `skynet.retpack(...)`: the same for values.
fn retpack(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let payload = block::pack_values(stack, 1)?;
    give(stack, state, payload)
}

#[inline]
fn give(stack: &mut Stack<'_>, state: &State, payload: Payload) -> NativeResult {
    let is_there = match state.take_owed() {
        Owed::Answer(caller) => {
            state.note_request_done();
            state.answer_early(caller, payload, stack.ends_next())
        }
        Owed::NoAnswer => false,
        Owed::Nothing => return Err(no_session("No")),
    };
    stack.push_bool(is_there);
    Ok(Outcome::Return(1))
}

/// Programs look for these words: "No session" from `ret`, "no session" from `response`.
#[cold]
fn no_session(no: &str) -> Raise {
    Raise::message(format!(
        "{no} session: this task serves no request, or has answered it already\n\
         hint: in a fork or a timer, call what skynet.response returned in the handler",
    ))
}

/// `skynet.ignoreret()`: the session of the running request means something else.
fn ignoreret(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?.ignore_request();
    Ok(Outcome::Return(0))
}

/// `skynet.context()`: session and source of the running request, nil where there is none. One that
/// was answered has no session.
fn context(stack: &mut Stack<'_>) -> NativeResult {
    let origin = State::of(stack)?.origin();
    match origin.and_then(|(session, _)| session) {
        Some(session) => stack.push_integer(session),
        None => stack.push_nil(),
    }
    match origin {
        Some((_, source)) => stack.push_integer(source),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(2))
}

/// An answer that is still owed; dropped unanswered, it tells the caller, unless the handler has
/// said by `skynet.ignoreret` that the caller shall wait.
struct Response {
    caller: Cell<Option<Caller>>,
    /// The service that owes it.
    service: Arc<Service>,
    open: OpenAnswer,
}

impl Userdata for Response {
    const NAME: &'static str = "response";
}

impl Response {
    fn take(&self) -> Option<Caller> {
        let caller = self.caller.take()?;
        self.service.figures.end_deferred();
        Some(caller)
    }

    /// Whether somebody waits for it.
    fn is_awaited(&self) -> bool {
        let caller = self.caller.take();
        let is_awaited = caller.as_ref().is_some_and(Caller::still_waits);
        self.caller.set(caller);
        is_awaited
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        let Some(caller) = self.take() else { return };
        if let Some(obituary) = self.service.obituary() {
            caller.fail(obituary.to_fault());
        } else if let Some(caller) = self.open.keep(caller) {
            let text = "what skynet.response returned was never called";
            caller.fail(Fault::new(Code::Dead, text));
        }
    }
}

/// `skynet.response([pack])`: a function that answers the running request later.
fn response(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if !stack.is_none_or_nil(1) {
        check_callable(stack, 1)?;
    }
    stack.set_top(1);
    match state.take_owed() {
        Owed::Answer(caller) => {
            let (caller, service) = (Cell::new(Some(caller)), state.service.clone());
            state.note_deferred();
            stack.push_userdata(Response { caller, service, open: state.open_answer() });
            stack.insert(1);
            stack.push_native_with(Native::new(respond), 2);
        }
        Owed::NoAnswer => stack.push_native(Native::new(ignore)),
        Owed::Nothing => return Err(no_session("no")),
    }
    Ok(Outcome::Return(1))
}

/// What `skynet.response` returned: `f(true, ...)` answers, `f(false, reason)` fails the request,
/// and `f "TEST"` tells whether somebody waits.
fn respond(stack: &mut Stack<'_>) -> NativeResult {
    if stack.bytes(1) == Some(b"TEST") {
        let is_awaited = stack.check_userdata::<Response>(upvalue(1))?.is_awaited();
        stack.push_bool(is_awaited);
        return Ok(Outcome::Return(1));
    }
    let answer = if stack.truth(1) { Ok(answer(stack)?) } else { Err(refusal(stack)) };
    let Some(caller) = stack.check_userdata::<Response>(upvalue(1))?.take() else {
        return Err(Raise::message("Can't response more than once"));
    };
    let is_there = match answer {
        Ok(payload) => caller.answer(payload),
        Err(fault) => caller.fail(fault),
    };
    stack.push_bool(is_there);
    Ok(Outcome::Return(1))
}

/// What `skynet.response` returns where nobody waits for an answer.
fn ignore(_: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Return(0))
}

/// Why `f(false, reason)` fails the request.
fn refusal(stack: &mut Stack<'_>) -> Fault {
    let reason = if stack.is_none_or_nil(2) {
        "the callee refused to answer".to_owned()
    } else {
        stack.text(2)
    };
    Fault::new(Code::Error, reason)
}

/// The payload of the arguments behind the first one, by the function that `response` was given.
fn answer(stack: &mut Stack<'_>) -> Result<Payload, Raise> {
    if stack.kind(upvalue(2)) != Kind::Function {
        return block::pack_values(stack, 2);
    }
    let state = State::of(stack)?;
    let arguments = (stack.top() - 1).max(0);
    stack.push_value(upvalue(2));
    if arguments > 0 {
        stack.insert(2);
    }
    stack.call_or_raise(arguments, Stack::ALL)?;
    block::take(stack, state, 2)
}
