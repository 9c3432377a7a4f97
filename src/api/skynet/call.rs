//! `skynet.call`, `skynet.send` and their raw forms.
//!
//! A call blocks natively: the worker that takes the answer finds the waiting coroutine by its
//! session and unpacks straight onto its stack, unless the protocol reads answers in its own way.

use std::cell::Ref;
use std::sync::Arc;

use moonhive_kernel::address::Address;

use super::arguments::{Target, check_can_block, label, protocol, target};
use super::block;
use crate::actor::skynet::{Form, Origin, Protocol};
use crate::actor::{Code, Fault, Service, State};
use crate::message::Payload;
use crate::vm::{Continuation, Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 7] = [
    ("call", Native::new(call)),
    (DISPATCH_MESSAGE, Native::new(dispatch_message)),
    ("genid", Native::new(genid)),
    ("rawcall", Native::new(rawcall)),
    ("rawsend", Native::new(rawsend)),
    ("redirect", Native::new(redirect)),
    ("send", Native::new(send)),
];

/// What a program may put a function of its own in the place of.
pub(super) const DISPATCH_MESSAGE: &str = "dispatch_message";

/// What a blocked call leaves below its results: the address and the protocol, for messages.
const KEPT: isize = 2;
const ANSWERED: Continuation = Continuation::new(answered, KEPT);
const ANSWERED_BY_PROTOCOL: Continuation = Continuation::new(answered_by_protocol, KEPT);

/// Protocols of answers.
pub(super) const RESPONSE: u8 = 1;
pub(super) const ERROR: u8 = 7;

/// `skynet.call(address, protocol, ...)`.
fn call(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "call")?;
    let target = existing(stack, state)?;
    let protocol = protocol(stack, state, 2)?;
    let number = protocol.number;
    let answers_values = matches!(protocol.unpack, Some(Form::Values));
    let payload = pack(stack, state, protocol, 3)?;
    stack.set_top(2);
    if let Err(fault) = state.call_by(number, target, payload) {
        return Err(failed(&fault));
    }
    if answers_values {
        return Ok(Outcome::BlockThen(0, ANSWERED));
    }
    state.expect_raw_answer();
    Ok(Outcome::BlockThen(0, ANSWERED_BY_PROTOCOL))
}

/// `skynet.rawcall(address, protocol, msg, sz)`: the answer as a message pointer and its size.
fn rawcall(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "rawcall")?;
    let target = target(stack, state, 1)?;
    let number = protocol(stack, state, 2)?.number;
    // The message is gone, as one that was sent, also if nobody is there to get it.
    let payload = block::take_given(stack, state, 3)?;
    let target = found(stack, target)?;
    stack.set_top(2);
    if let Err(fault) = state.call_by(number, target, payload) {
        return Err(failed(&fault));
    }
    state.expect_raw_answer();
    Ok(Outcome::BlockThen(0, ANSWERED))
}

/// The call is over: the answer lies above what was kept, or the host left a fault.
#[inline(always)]
fn answered(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    match State::of(stack)?.take_failure() {
        None => Ok(Outcome::Return(stack.top() - kept as i32)),
        Some(fault) => Err(failed(&fault)),
    }
}

/// The same for a protocol that reads its answers in its own way: a pointer and a size lie above
/// what was kept.
fn answered_by_protocol(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    if let Some(fault) = state.take_failure() {
        return Err(failed(&fault));
    }
    let kept = kept as i32;
    let protocol = protocol(stack, state, 2)?;
    match &protocol.unpack {
        Some(Form::Function(function)) => {
            stack.push_kept(function);
            drop(protocol);
            stack.insert(kept + 1);
            stack.call_or_raise(stack.top() - kept - 1, Stack::ALL)?;
        }
        Some(Form::Text) => {
            let payload = block::take(stack, state, kept + 1)?;
            stack.set_top(kept);
            stack.push_bytes(&payload.to_bytes());
        }
        Some(Form::Values) | None => {}
    }
    Ok(Outcome::Return(stack.top() - kept))
}

/// The results of a call that is over, above the `kept` values that end with the protocol.
///
/// # Errors
/// Why the call failed.
pub(super) fn results(stack: &mut Stack<'_>, kept: i32, takes_values: bool) -> NativeResult {
    let read = if takes_values { answered } else { answered_by_protocol };
    read(stack, kept as isize)
}

/// `skynet.send(address, protocol, ...)`: 0, or nil if there is no such service.
fn send(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = target(stack, state, 1)?;
    let protocol = protocol(stack, state, 2)?;
    let number = protocol.number;
    let payload = pack(stack, state, protocol, 3)?;
    deliver(stack, state, target, number, payload)
}

/// `skynet.rawsend(address, protocol, msg, sz)`.
fn rawsend(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = target(stack, state, 1)?;
    let number = protocol(stack, state, 2)?.number;
    let payload = block::take_given(stack, state, 3)?;
    deliver(stack, state, target, number, payload)
}

#[inline(always)]
fn deliver(
    stack: &mut Stack<'_>,
    state: &State,
    target: Target,
    protocol: u8,
    payload: Payload,
) -> NativeResult {
    let sent = match target {
        Target::Found(service) => {
            state.note_sent(&service);
            let sent = state.send_by(protocol, &service, payload);
            state.give_back(service);
            sent
        }
        Target::Missing(_) => return Ok(Outcome::Return(0)),
    };
    sent_to(stack, sent, 0)
}

/// The session of a message that was sent, or nothing if the receiver has ended.
#[inline(always)]
fn sent_to(stack: &mut Stack<'_>, sent: Result<(), Fault>, session: i64) -> NativeResult {
    match sent {
        Ok(()) => {
            stack.push_integer(session);
            Ok(Outcome::Return(1))
        }
        Err(fault) if fault.code == Code::Dead => Ok(Outcome::Return(0)),
        Err(fault) => Err(Raise::message(fault.message)),
    }
}

/// `skynet.redirect(address, source, protocol, session, msg, sz)`: a message in another's name,
/// under a new session if none is given; returns the session.
fn redirect(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = target(stack, state, 1)?;
    let source = source(stack, state, 2)?;
    let number = number_of(stack, state, 3)?;
    let session = match stack.kind(4) {
        Kind::None | Kind::Nil => state.skynet.new_session() as i64,
        _ => stack.check_integer(4)?,
    };
    let payload = block::take_given(stack, state, 5)?;
    let Target::Found(service) = target else { return Ok(Outcome::Return(0)) };
    state.note_sent(&service);
    let sent = match number {
        RESPONSE => {
            state.answer_as(&service, session, Ok(payload));
            Ok(())
        }
        // Whoever waits for something of the source waits in vain.
        ERROR if session == 0 => {
            stack.set_top(0);
            stack.push_str("TERM");
            stack.push_integer(source);
            let payload = block::pack_values(stack, 1)?;
            state.send_by(super::protocol::DEBUG, &service, payload)
        }
        ERROR => {
            state.answer_as(&service, session, Err(failure(&payload)));
            Ok(())
        }
        number => state.send_as(Origin { source, session }, &service, number, payload),
    };
    sent_to(stack, sent, session)
}

/// What a message of the protocol `"error"` says.
fn failure(payload: &Payload) -> Fault {
    let text = match &*payload.to_bytes() {
        [] => "the callee gave no reason".to_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    Fault::new(Code::Error, text)
}

/// `skynet.dispatch_message(protocol, msg, sz, session, source)`: has the host handle a message as
/// if it had just come from there; at once when the program's own dispatcher returns, else after
/// what waits already.
pub(super) fn dispatch_message(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let number = number_of(stack, state, 1)?;
    let session = stack.check_integer(4)?;
    let source = source(stack, state, 5)?;
    let payload = block::take(stack, state, 2)?;
    match number {
        RESPONSE => state.answer_as(&state.service, session, Ok(payload)),
        ERROR => state.answer_as(&state.service, session, Err(failure(&payload))),
        number => {
            let passed = state.pass(Origin { source, session }, number, payload);
            passed.map_err(|fault| Raise::message(fault.message))?;
        }
    }
    Ok(Outcome::Return(0))
}

/// The protocol in an argument, which may be one of those that every service has.
fn number_of(stack: &Stack<'_>, state: &State, argument: i32) -> Result<u8, Raise> {
    match stack.bytes(argument) {
        Some(b"response") => Ok(RESPONSE),
        Some(b"error") => Ok(ERROR),
        Some(_) => Ok(protocol(stack, state, argument)?.number),
        None => match u8::try_from(stack.check_integer(argument)?) {
            Ok(number) => Ok(number),
            Err(_) => Err(Raise::argument(argument, "the number of a protocol is 0 to 255")),
        },
    }
}

/// The address in an argument as a number, whether anybody lives there or not.
fn source(stack: &Stack<'_>, state: &State, argument: i32) -> Result<i64, Raise> {
    if let Some(number) = stack.integer(argument).filter(|_| stack.bytes(argument).is_none()) {
        return Ok(number);
    }
    Ok(match target(stack, state, argument)? {
        Target::Found(service) => service.address().number() as i64,
        Target::Missing(_) => {
            let text = stack.str(argument).and_then(|text| text.parse::<Address>().ok());
            text.map_or(0, |address| address.number() as i64)
        }
    })
}

/// `skynet.genid()`: a session that no call of this service uses.
fn genid(stack: &mut Stack<'_>) -> NativeResult {
    let session = State::of(stack)?.skynet.new_session();
    stack.push_integer(session as i64);
    Ok(Outcome::Return(1))
}

/// The service in the first argument.
///
/// # Errors
/// That there is none.
#[inline]
fn existing(stack: &mut Stack<'_>, state: &State) -> Result<Arc<Service>, Raise> {
    let target = target(stack, state, 1)?;
    found(stack, target)
}

/// The service that the first argument leads to.
///
/// # Errors
/// That there is none.
#[inline(always)]
fn found(stack: &mut Stack<'_>, target: Target) -> Result<Arc<Service>, Raise> {
    match target {
        Target::Found(service) => Ok(service),
        Target::Missing(fault) => {
            let address = label(stack, 1);
            Err(Raise::message(format!("call to invalid address {address}: {}", fault.message)))
        }
    }
}

/// The payload of the values from `first` to the top, as the protocol packs them.
#[inline(always)]
pub(super) fn pack(
    stack: &mut Stack<'_>,
    state: &State,
    protocol: Ref<'_, Protocol>,
    first: i32,
) -> Result<Payload, Raise> {
    match &protocol.pack {
        Some(Form::Values) => block::pack_values(stack, first),
        Some(Form::Function(function)) => {
            stack.push_kept(function);
            stack.insert(first);
            let number = protocol.number;
            drop(protocol);
            stack.call_or_raise(stack.top() - first, Stack::ALL)?;
            if stack.is_none_or_nil(first) {
                return Err(packed_nothing(state, number));
            }
            block::take(stack, state, first)
        }
        Some(Form::Text) => block::take(stack, state, first),
        None => Err(cannot_pack(&protocol)),
    }
}

#[cold]
fn packed_nothing(state: &State, number: u8) -> Raise {
    let protocols = state.skynet.protocols.borrow();
    let name = protocols.numbered(number).map_or_else(Default::default, |protocol| {
        String::from_utf8_lossy(&protocol.name).into_owned()
    });
    Raise::message(format!("the function `pack` of the protocol \"{name}\" returned no message"))
}

#[cold]
fn cannot_pack(protocol: &Protocol) -> Raise {
    let name = String::from_utf8_lossy(&protocol.name);
    Raise::message(format!(
        "cannot send messages of the protocol \"{name}\": it was registered without `pack`"
    ))
}

/// The error of a call that has no answer: why, with the callee's traceback.
#[cold]
fn failed(fault: &Fault) -> Raise {
    Raise::message(format!("call failed: {}", fault.report()))
}
