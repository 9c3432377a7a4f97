//! The Lua module `skynet.netpack`: frames with two bytes of length, between a gate and its
//! clients.
//!
//! A message of the protocol "socket" is a packed list: what happened, the connection, and what
//! belongs to it (`skynet.pack("data", 7, bytes)`). `filter` reads one: of data it makes whole
//! frames, everything else it passes on.

mod frames;

use std::cell::{Cell, RefCell};

use frames::{CONTENT_LIMIT_BYTES, Frames};

use super::skynet::block;
use crate::actor::State;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack, Userdata};

/// `require "skynet.netpack"`.
pub(super) const OPEN: Native = Native::new(open);

const FUNCTIONS: [(&str, Native); 5] = [
    ("clear", Native::new(clear)),
    ("filter", Native::new(filter)),
    ("pack", Native::new(pack)),
    ("pop", Native::new(pop)),
    ("tostring", Native::new(to_string)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len());
    stack.set_natives(&FUNCTIONS);
    Ok(Outcome::Return(1))
}

/// The frames of a gate. They count as memory of its VM.
#[derive(Default)]
struct Queue {
    frames: RefCell<Frames>,
    counted_bytes: Cell<usize>,
}

impl Userdata for Queue {
    const NAME: &'static str = "netpack queue";

    fn counted_bytes(&self) -> usize {
        self.counted_bytes.get()
    }
}

/// Counts what the queue in the first argument holds now.
fn count(stack: &mut Stack<'_>) -> Result<(), Raise> {
    let queue = stack.check_userdata::<Queue>(1)?;
    let (before, now) = (queue.counted_bytes.get(), queue.frames.borrow().held_bytes());
    stack.recount_outside(before, now)?;
    stack.check_userdata::<Queue>(1)?.counted_bytes.set(now);
    Ok(())
}

/// `filter(queue, msg, sz)`: the queue (made when it is first needed) and what happened:
/// `"data", connection, msg, sz` for one frame, `"more"` for several to pop, nothing for a part of
/// one; for other messages what they hold.
fn filter(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let message = block::take(stack, state, 2)?;
    stack.set_top(1);
    if stack.is_none_or_nil(1) {
        stack.push_userdata(Queue::default());
        stack.replace(1);
    }
    stack.check_userdata::<Queue>(1)?;
    let values = stack.unpack(&message).map_err(|error| {
        Raise::argument(2, format!("this is no message of the protocol socket: {error}"))
    })?;
    let connection = stack.integer(3).unwrap_or(-1);
    match stack.bytes(2) {
        Some(b"data") => return data(stack, state, connection),
        Some(b"close" | b"error") => {
            stack.check_userdata::<Queue>(1)?.frames.borrow_mut().forget(connection);
            count(stack)?;
        }
        _ => {}
    }
    Ok(Outcome::Return(values + 1))
}

/// Cuts received bytes, the third value of the message, into frames.
fn data(stack: &mut Stack<'_>, state: &State, connection: i64) -> NativeResult {
    let mut frames = stack.check_userdata::<Queue>(1)?.frames.borrow_mut();
    let bytes = stack.bytes(4).ok_or_else(|| Raise::argument(2, "data without bytes"))?;
    let waited = frames.len();
    let added = frames.add(connection, bytes);
    // One frame goes straight to its handler, unless others are to be handled before it.
    let single = if added == Ok(1) && waited == 0 { frames.pop() } else { None };
    drop(frames);
    if let Err(raise) = count(stack) {
        let mut frames = stack.check_userdata::<Queue>(1)?.frames.borrow_mut();
        frames.take_back(connection, waited);
        return Err(raise);
    }
    let count = added.map_err(|full| Raise::message(full.to_string()))?;
    stack.set_top(1);
    match (single, count) {
        (Some((connection, content)), _) => {
            stack.push_str("data");
            stack.push_integer(connection);
            block::own(stack, state, content)?;
        }
        (None, 0) => {}
        (None, _) => stack.push_str("more"),
    }
    Ok(Outcome::Return(stack.top()))
}

/// `pop(queue)`: connection, msg and sz of the oldest whole frame; nothing if there is none.
fn pop(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.is_none_or_nil(1) {
        return Ok(Outcome::Return(0));
    }
    let frame = stack.check_userdata::<Queue>(1)?.frames.borrow_mut().pop();
    let Some((connection, content)) = frame else { return Ok(Outcome::Return(0)) };
    count(stack)?;
    stack.push_integer(connection);
    block::own(stack, state, content)?;
    Ok(Outcome::Return(3))
}

/// `clear(queue)`: drops all frames, also those that have only begun.
fn clear(stack: &mut Stack<'_>) -> NativeResult {
    if !stack.is_none_or_nil(1) {
        stack.check_userdata::<Queue>(1)?.frames.borrow_mut().clear();
        count(stack)?;
    }
    Ok(Outcome::Return(0))
}

/// `pack(msg, sz)` or `pack(string)`: msg and sz of a frame. A pointer stays with the program.
fn pack(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let content = if stack.kind(1) == Kind::Number {
        frames::frame(stack.check_bytes(1)?)
    } else {
        frames::frame(&block::peek(stack, state, 1)?.to_bytes())
    };
    let frame = content.ok_or_else(|| {
        let message =
            format!("Invalid size (too long): a frame holds {CONTENT_LIMIT_BYTES} bytes at most");
        Raise::argument(1, message)
    })?;
    block::own(stack, state, frame.as_slice().into())?;
    Ok(Outcome::Return(2))
}

/// `tostring(msg, sz)`: the content as a string; the pointer is used up.
fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    let content = block::take(stack, State::of(stack)?, 1)?;
    stack.push_bytes(&content.to_bytes());
    Ok(Outcome::Return(1))
}
