//! Message pointers as natives and programs use them: `skynet.pack`, `unpack`, `tostring`, `trash`.
//!
//! In Lua a message is a light userdata and its size. Here it is a [`Payload`]: [`own`] makes a
//! pointer that the program has to send or trash, and whose message counts as memory of its VM
//! until then, [`peek`] gives what an argument points to, and [`take`] uses the pointer up, as
//! everything does that sends a message. Where skynet takes a pointer it takes a string as well,
//! and so do these. A pointer that leads nowhere is an error.
//!
//! Natives of other modules that work on messages (netpack, sproto) use these three functions.

use crate::actor::{Key, Light, State};
use crate::message::{PackError, Payload, UnpackError};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 6] = [
    ("pack", PACK),
    ("packstring", PACK_STRING),
    ("tostring", TO_STRING),
    ("trash", TRASH),
    ("unpack", UNPACK),
    ("messages", Native::new(messages)),
];

/// `skynet.pack`.
pub(super) const PACK: Native = Native::new(pack);
/// `skynet.packstring`.
pub(super) const PACK_STRING: Native = Native::new(packstring);
/// `skynet.tostring`.
pub(super) const TO_STRING: Native = Native::new(to_string);
/// `skynet.trash`.
pub(super) const TRASH: Native = Native::new(trash);
/// `skynet.unpack`.
pub(super) const UNPACK: Native = Native::new(unpack);

/// Pushes a message pointer and its size; the program has to send or trash it. Until then the
/// message is memory of its VM.
///
/// # Errors
/// `not enough memory`, and when too many pointers are alive.
pub(in crate::api) fn own(
    stack: &mut Stack<'_>,
    state: &State,
    payload: Payload,
) -> Result<(), Raise> {
    push_owned(stack, state, payload).map(drop)
}

fn push_owned(stack: &mut Stack<'_>, state: &State, payload: Payload) -> Result<Key, Raise> {
    let size = payload.len();
    let key = state.skynet.blocks.own(stack, payload)?;
    Light::Block(key).push(stack);
    stack.push_integer(size as i64);
    Ok(key)
}

/// Calls the function on top with a message pointer, its size, and the value at an index. The
/// message is gone when the function returns.
///
/// # Errors
/// As [`own`], and what the function raises.
pub(super) fn call_with(
    stack: &mut Stack<'_>,
    state: &State,
    payload: Payload,
    value: i32,
) -> Result<(), Raise> {
    let key = push_owned(stack, state, payload)?;
    stack.push_value(value);
    let called = stack.call_or_raise(3, Stack::ALL);
    state.skynet.blocks.take(stack, key);
    called
}

/// The message in the argument, a pointer with its size in the next one, or a string. The pointer
/// stays as it is; copying a message costs next to nothing.
///
/// # Errors
/// A bad argument: neither of both, a pointer that leads nowhere, a size beyond the message.
pub(in crate::api) fn peek(
    stack: &Stack<'_>,
    state: &State,
    argument: i32,
) -> Result<Payload, Raise> {
    if let Some(bytes) = stack.bytes(argument) {
        return Ok(Payload::from(bytes));
    }
    let payload = state.skynet.blocks.get(key_at(stack, argument)?);
    let payload = payload.ok_or_else(|| gone(argument))?;
    let length = payload.len();
    let size = size_at(stack, argument + 1, length)?;
    if size == length { Ok(payload) } else { Ok(part(&payload, size)) }
}

/// Takes the message in the argument; its pointer leads nowhere from now on. No value at all is an
/// empty message.
///
/// # Errors
/// As [`peek`]; the pointer is then as it was.
pub(in crate::api) fn take(
    stack: &Stack<'_>,
    state: &State,
    argument: i32,
) -> Result<Payload, Raise> {
    if stack.is_none_or_nil(argument) {
        return Ok(Payload::EMPTY);
    }
    if let Some(bytes) = stack.bytes(argument) {
        return Ok(Payload::from(bytes));
    }
    let (key, blocks) = (key_at(stack, argument)?, &state.skynet.blocks);
    let length = blocks.length(key).ok_or_else(|| gone(argument))?;
    let size = size_at(stack, argument + 1, length)?;
    let payload = blocks.take(stack, key).ok_or_else(|| gone(argument))?;
    if size == length { Ok(payload) } else { Ok(part(&payload, size)) }
}

/// The same where there has to be a message.
///
/// # Errors
/// As [`take`], and that there is none.
pub(super) fn take_given(
    stack: &Stack<'_>,
    state: &State,
    argument: i32,
) -> Result<Payload, Raise> {
    if stack.is_none_or_nil(argument) {
        return Err(stack.type_error(argument, "message or string"));
    }
    take(stack, state, argument)
}

#[inline(always)]
fn key_at(stack: &Stack<'_>, argument: i32) -> Result<Key, Raise> {
    match Light::at(stack, argument) {
        Some(Light::Block(key)) => Ok(key),
        _ => Err(stack.type_error(argument, "message or string")),
    }
}

/// The size in the argument behind a pointer, for a message of that length.
#[inline(always)]
fn size_at(stack: &Stack<'_>, argument: i32, length: usize) -> Result<usize, Raise> {
    match usize::try_from(stack.check_integer(argument)?) {
        Ok(size) if size <= length => Ok(size),
        _ => Err(Raise::argument(argument, format!("the message has {length} bytes"))),
    }
}

/// The first `size` bytes of a message that has more.
#[cold]
fn part(payload: &Payload, size: usize) -> Payload {
    Payload::from(&payload.to_bytes()[..size])
}

#[cold]
fn gone(argument: i32) -> Raise {
    Raise::argument(
        argument,
        "this message pointer leads nowhere: its message was sent or trashed, \
         or its handler has waited since",
    )
}

/// Packs the values from `first` to the top as a list of values.
///
/// # Errors
/// What cannot be sent, with its path.
#[inline]
pub(super) fn pack_values(stack: &mut Stack<'_>, first: i32) -> Result<Payload, Raise> {
    let count = stack.top() - first + 1;
    let packed = stack.pack_with_pairs(first, count.max(0), "args");
    packed.map_err(|error| unsendable(&error))
}

/// Programs look for what skynet says of the same, so that stands behind it.
#[cold]
fn unsendable(error: &PackError) -> Raise {
    let aside = match error {
        PackError::Unsendable { kind, .. } | PackError::UnsendableKey { kind, .. } => {
            format!(" (Unsupport type {kind} to serialize)")
        }
        PackError::Cycle { .. } | PackError::Depth { .. } => {
            " (serialize can't pack too depth table)".to_owned()
        }
        _ => String::new(),
    };
    Raise::message(crate::actor::unsendable("the arguments", error, &aside).message)
}

/// Pushes the values of a packed list; returns how many there are.
///
/// # Errors
/// That it is none.
pub(super) fn unpack_values(stack: &mut Stack<'_>, payload: &Payload) -> Result<i32, Raise> {
    stack.unpack(payload).map_err(|error| unreadable(&error))
}

/// As [`unsendable`].
#[cold]
fn unreadable(error: &UnpackError) -> Raise {
    let aside = match error {
        UnpackError::Memory | UnpackError::Stack { .. } => "",
        _ => " (Invalid serialize stream)",
    };
    Raise::message(format!("cannot unpack the message: {error}{aside}"))
}

fn pack(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let payload = pack_values(stack, 1)?;
    own(stack, state, payload)?;
    Ok(Outcome::Return(2))
}

fn packstring(stack: &mut Stack<'_>) -> NativeResult {
    let payload = pack_values(stack, 1)?;
    stack.push_bytes(&payload.to_bytes());
    Ok(Outcome::Return(1))
}

/// `skynet.unpack(msg, sz)` or `skynet.unpack(string)`.
fn unpack(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.is_none_or_nil(1) {
        return Ok(Outcome::Return(0));
    }
    let values = if stack.kind(1) == Kind::String {
        stack.unpack_string(1).map_err(|error| unreadable(&error))?
    } else {
        let payload = peek(stack, state, 1)?;
        unpack_values(stack, &payload)?
    };
    Ok(Outcome::Return(values))
}

fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.kind(1) == Kind::String {
        stack.set_top(1);
    } else if stack.is_none_or_nil(1) {
        return Ok(Outcome::Return(0));
    } else {
        let payload = peek(stack, state, 1)?;
        stack.push_bytes(&payload.to_bytes());
    }
    Ok(Outcome::Return(1))
}

/// `skynet.trash(msg, sz)`.
fn trash(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.is_none_or_nil(1) {
        return Err(stack.type_error(1, "message or string"));
    }
    take(stack, state, 1)?;
    Ok(Outcome::Return(0))
}

/// `skynet.messages()`: how many message pointers of this service are alive.
fn messages(stack: &mut Stack<'_>) -> NativeResult {
    let count = State::of(stack)?.skynet.blocks.len();
    stack.push_integer(count as i64);
    Ok(Outcome::Return(1))
}
