//! Protocols: `skynet.register_protocol`, `skynet.dispatch`, and what is done with messages that a
//! service only passes on.

use std::cell::RefMut;

use super::block::{PACK, TO_STRING, UNPACK};
use super::{arguments, call};
use crate::actor::State;
use crate::actor::skynet::{Form, Handler, Protocol, Protocols, VALUES};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Reference, Stack};

pub(super) const NATIVES: [(&str, Native); 9] = [
    ("dispatch", Native::new(dispatch)),
    ("dispatch_unknown_request", Native::new(dispatch_unknown_request)),
    ("dispatch_unknown_response", Native::new(dispatch_unknown_response)),
    ("filter", Native::new(filter)),
    ("forward_type", Native::new(forward_type)),
    ("init_service", Native::new(start)),
    ("register_protocol", Native::new(register_protocol)),
    ("start", Native::new(start)),
    ("traceproto", Native::new(traceproto)),
];

/// The protocol of skynet's debugging commands.
pub(super) const DEBUG: u8 = 9;

/// Protocols that the host itself speaks in every service: of answers, and of failures.
const OWN_NAMES: [&[u8]; 2] = [b"response", b"error"];
const OWN_NUMBERS: [u8; 2] = [super::call::RESPONSE, super::call::ERROR];

/// Gives a service the protocols that every service of skynet has.
pub(super) fn register_own(state: &State) {
    let mut protocols = state.skynet.protocols.borrow_mut();
    if protocols.any() {
        return;
    }
    let own = [(VALUES, "lua", Handler::None), (DEBUG, "debug", DEBUGGER)];
    protocols.reserve(own.len());
    for (number, name, handler) in own {
        protocols.add(Protocol {
            number,
            name: name.as_bytes().into(),
            pack: Some(Form::Values),
            unpack: Some(Form::Values),
            handler,
            traced: false,
        });
    }
}

/// The handler of debugging commands, made when the first one comes.
const DEBUGGER: Handler = Handler::Lazy(Native::new(open_debug));

fn open_debug(stack: &mut Stack<'_>) -> NativeResult {
    super::push_module(stack, "skynet.debug")?;
    stack.get_field(-1, "dispatch")?;
    Ok(Outcome::Return(1))
}

/// `skynet.register_protocol { name =, id =, pack =, unpack =, dispatch =, trace = }`.
fn register_protocol(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(1, Kind::Table)?;
    let protocol = described(stack)?;
    let mut protocols = protocols(state);
    let is_own = OWN_NAMES.contains(&&*protocol.name) || OWN_NUMBERS.contains(&protocol.number);
    let is_known =
        protocols.named(&protocol.name).is_some() || protocols.numbered(protocol.number).is_some();
    if is_own || is_known {
        let name = String::from_utf8_lossy(&protocol.name);
        return Err(Raise::message(format!(
            "the protocol \"{name}\" ({}) is registered already",
            protocol.number
        )));
    }
    if protocol.traced {
        state.skynet.watch_messages();
    }
    protocols.add(protocol);
    Ok(Outcome::Return(0))
}

fn protocols(state: &State) -> RefMut<'_, Protocols> {
    state.skynet.protocols.borrow_mut()
}

/// The protocol that the table in the first argument describes.
fn described(stack: &mut Stack<'_>) -> Result<Protocol, Raise> {
    stack.raw_get_field(1, "name");
    let name: Box<[u8]> = match stack.bytes(-1) {
        Some(name) => name.into(),
        None => return Err(Raise::argument(1, "field 'name' is not a string")),
    };
    stack.raw_get_field(1, "id");
    let number = stack.integer(-1).and_then(|number| u8::try_from(number).ok());
    let number = number.ok_or_else(|| Raise::argument(1, "field 'id' is not 0 to 255"))?;
    stack.pop(2);
    let pack = form(stack, "pack", &[(PACK, Form::Values)])?;
    let unpack = form(stack, "unpack", &[(UNPACK, Form::Values), (TO_STRING, Form::Text)])?;
    let handler = match stack.raw_get_field(1, "dispatch") {
        Kind::Nil => {
            stack.pop(1);
            stack.push_value(1);
            Handler::Described(stack.keep())
        }
        Kind::Function => Handler::Function(stack.keep()),
        _ if arguments::become_function(stack, stack.top())? => Handler::Function(stack.keep()),
        _ => return Err(Raise::argument(1, "field 'dispatch' is not a function")),
    };
    stack.raw_get_field(1, "trace");
    let traced = stack.truth(-1);
    stack.pop(1);
    Ok(Protocol { number, name, pack, unpack, handler, traced })
}

/// The function in a field, or what it stands for if it is one of ours.
fn form(
    stack: &mut Stack<'_>,
    field: &str,
    known: &[(Native, Form)],
) -> Result<Option<Form>, Raise> {
    let kind = stack.raw_get_field(1, field);
    for (native, form) in known {
        stack.push_native(*native);
        let is_it = stack.raw_equal(-1, -2);
        stack.pop(1);
        if is_it {
            stack.pop(1);
            return Ok(Some(match form {
                Form::Text => Form::Text,
                _ => Form::Values,
            }));
        }
    }
    match kind {
        Kind::Nil => {
            stack.pop(1);
            Ok(None)
        }
        Kind::Function => Ok(Some(Form::Function(stack.keep()))),
        _ if arguments::become_function(stack, stack.top())? => {
            Ok(Some(Form::Function(stack.keep())))
        }
        _ => Err(Raise::argument(1, format!("field '{field}' is not a function"))),
    }
}

/// `skynet.dispatch(protocol [, f])`: sets the handler and returns the one before, or just tells
/// it.
fn dispatch(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if let Some(place) = own_place(stack) {
        return dispatch_own(stack, state, place);
    }
    let protocol = arguments::protocol(stack, state, 1);
    if stack.is_none_or_nil(2) {
        if matches!(protocol.as_ref().map(|protocol| &protocol.handler), Ok(Handler::Lazy(_))) {
            // Opening it runs Lua, which may register protocols.
            drop(protocol);
            return open_debug(stack);
        }
        match protocol.as_ref().map(|protocol| &protocol.handler) {
            Ok(Handler::Function(handler)) => stack.push_kept(handler),
            Ok(Handler::Described(table)) => {
                stack.push_kept(table);
                stack.raw_get_field(-1, "dispatch");
            }
            Ok(Handler::None | Handler::Lazy(_)) | Err(_) => stack.push_nil(),
        }
        return Ok(Outcome::Return(1));
    }
    let number = protocol?.number;
    arguments::check_callable(stack, 2)?;
    stack.set_top(2);
    let handler = Handler::Function(stack.keep());
    let before = protocols(state).set_handler(number, handler);
    match before {
        Some(Handler::Function(before)) => {
            stack.push_kept(&before);
            stack.release(before);
        }
        Some(Handler::Described(table)) => {
            stack.push_kept(&table);
            stack.release(table);
            stack.raw_get_field(-1, "dispatch");
        }
        Some(Handler::Lazy(_)) => return open_debug(stack),
        _ => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// Which of the host's own protocols the first argument names.
fn own_place(stack: &Stack<'_>) -> Option<usize> {
    if let Some(name) = stack.bytes(1) {
        return OWN_NAMES.iter().position(|own| *own == name);
    }
    let number = u8::try_from(stack.integer(1)?).ok()?;
    OWN_NUMBERS.iter().position(|own| *own == number)
}

/// `skynet.dispatch` of `"response"` or `"error"`. The host goes on to bring every answer and every
/// failure to whoever waits for it; the function for errors hears as well, under session 0, that an
/// address is lost.
fn dispatch_own(stack: &mut Stack<'_>, state: &State, place: usize) -> NativeResult {
    let handler = if stack.is_none_or_nil(2) {
        None
    } else {
        arguments::check_callable(stack, 2)?;
        stack.set_top(2);
        Some(stack.keep())
    };
    let mut protocols = protocols(state);
    let own = &mut protocols.own[place];
    match (own.as_ref(), handler) {
        (None, handler) => {
            stack.push_native(Native::new(leave_to_host));
            *own = handler;
        }
        (Some(before), None) => stack.push_kept(before),
        (Some(before), Some(handler)) => {
            stack.push_kept(before);
            if let Some(before) = own.replace(handler) {
                stack.release(before);
            }
        }
    }
    Ok(Outcome::Return(1))
}

/// What stands for the host's own handling.
fn leave_to_host(_stack: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Return(0))
}

/// `skynet.dispatch_unknown_request(f)`: who handles what nobody handles. Returns who did before.
fn dispatch_unknown_request(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    replace_unknown(stack, state, |protocols| &mut protocols.unknown_request, REFUSE_REQUEST)
}

/// `skynet.dispatch_unknown_response(f)`: the same for answers that no task waits for.
fn dispatch_unknown_response(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    replace_unknown(stack, state, |protocols| &mut protocols.unknown_response, FORGET_RESPONSE)
}

/// Puts the function in the first argument in the place of the one before, and returns that one, or
/// what stands for none.
fn replace_unknown(
    stack: &mut Stack<'_>,
    state: &State,
    place: impl Fn(&mut Protocols) -> &mut Option<Reference>,
    none: Native,
) -> NativeResult {
    arguments::check_callable(stack, 1)?;
    stack.set_top(1);
    let handler = stack.keep();
    match place(&mut protocols(state)).replace(handler) {
        Some(before) => {
            stack.push_kept(&before);
            stack.release(before);
        }
        None => stack.push_native(none),
    }
    Ok(Outcome::Return(1))
}

/// Who handles what nobody handles as long as the program names nobody.
const REFUSE_REQUEST: Native = Native::new(refuse_request);
/// The same for answers.
const FORGET_RESPONSE: Native = Native::new(forget_response);

/// Gets session, source, pointer, size and protocol.
fn refuse_request(stack: &mut Stack<'_>) -> NativeResult {
    let service = State::of(stack)?.service.label();
    let protocol = stack.text(5);
    let text = format!("service {service} does not handle messages of the protocol {protocol}");
    Err(Raise::message(text))
}

fn forget_response(_: &mut Stack<'_>) -> NativeResult {
    Ok(Outcome::Return(0))
}

/// `skynet.filter(f, start)`: `f` gets protocol, pointer, size, session and source of every request
/// and returns what is handled in its place. Then as `skynet.start(start)`.
fn filter(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    arguments::check_callable(stack, 1)?;
    arguments::check_callable(stack, 2)?;
    stack.push_value(1);
    let filter = stack.keep();
    if let Some(before) = protocols(state).filter.replace(filter) {
        stack.release(before);
    }
    state.skynet.watch_messages();
    give_way(stack, state);
    begin(stack, state, 2)
}

/// Keeps the module, to look for what the program has put into it.
pub(super) fn keep_module(stack: &mut Stack<'_>, state: &State, module: Reference) {
    if let Some(before) = protocols(state).module.replace(module) {
        stack.release(before);
    }
}

/// If the program has put a function of its own in the place of `skynet.dispatch_message`, that one
/// gets every request from now on.
fn give_way(stack: &mut Stack<'_>, state: &State) {
    let top = stack.top();
    match &protocols(state).module {
        Some(module) => stack.push_kept(module),
        None => return,
    }
    let kind = stack.raw_get_field(top + 1, call::DISPATCH_MESSAGE);
    stack.push_native(Native::new(call::dispatch_message));
    if kind == Kind::Function && !stack.raw_equal(top + 2, top + 3) {
        stack.pop(1);
        let function = stack.keep();
        let before = protocols(state).give_way(function);
        if let Some(before) = before {
            stack.release(before);
        }
        state.skynet.watch_messages();
    }
    stack.set_top(top);
}

/// `skynet.traceproto(protocol, flag)`: whether every message of it is traced by log lines.
fn traceproto(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let number = arguments::protocol(stack, state, 1)?.number;
    let traced = stack.truth(2);
    protocols(state).set_traced(number, traced);
    if traced {
        state.skynet.watch_messages();
    }
    Ok(Outcome::Return(0))
}

/// `skynet.start(f)`: `f` runs when the service's file has returned, or soon if it has.
fn start(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    arguments::check_callable(stack, 1)?;
    give_way(stack, state);
    begin(stack, state, 1)
}

fn begin(stack: &mut Stack<'_>, state: &State, argument: i32) -> NativeResult {
    stack.set_top(argument);
    state.widen_mailbox();
    if state.has_started() {
        return match state.start_late(stack, argument) {
            Ok(_) => Ok(Outcome::Return(0)),
            Err(fault) => Err(Raise::message(fault.message)),
        };
    }
    state.skynet.add_start(stack.keep());
    Ok(Outcome::Return(0))
}

/// `skynet.forward_type(map, f)`: what arrives as a key of `map` is handled as its value, and its
/// bytes belong to the program. Then as `skynet.start(f)`.
fn forward_type(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(1, Kind::Table)?;
    arguments::check_callable(stack, 2)?;
    stack.set_top(2);
    stack.for_each(1, |stack| {
        let number = |index| stack.integer(index).and_then(|number| u8::try_from(number).ok());
        let (Some(from), Some(to)) = (number(-2), number(-1)) else {
            return Err(Raise::argument(1, "protocols are numbers from 0 to 255"));
        };
        protocols(state).forward(from, to);
        Ok(())
    })?;
    begin(stack, state, 2)
}
