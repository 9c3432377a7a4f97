//! `skynet.multicast.core`: what stands under `skynet.multicast`.

use super::block;
use crate::actor::State;
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

/// `require "skynet.multicast.core"`.
pub(in crate::api) const OPEN: Native = Native::new(open);

const NATIVES: [(&str, Native); 5] = [
    ("delete", Native::new(delete)),
    ("new", Native::new(new)),
    ("publish", Native::new(publish)),
    ("subscribe", Native::new(subscribe)),
    ("unsubscribe", Native::new(unsubscribe)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, NATIVES.len());
    stack.set_natives(&NATIVES);
    Ok(Outcome::Return(1))
}

/// `new()`: the number of a new channel.
fn new(stack: &mut Stack<'_>) -> NativeResult {
    let channel = State::of(stack)?.new_channel();
    stack.push_integer(channel as i64);
    Ok(Outcome::Return(1))
}

/// `subscribe(channel)`.
fn subscribe(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let subscribed = state.subscribe(channel(stack)?);
    subscribed.map_err(|fault| Raise::message(fault.message))?;
    Ok(Outcome::Return(0))
}

/// `unsubscribe(channel)`.
fn unsubscribe(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?.unsubscribe(channel(stack)?);
    Ok(Outcome::Return(0))
}

/// `delete(channel)`: nobody is subscribed any more.
fn delete(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?.delete_channel(channel(stack)?);
    Ok(Outcome::Return(0))
}

/// `publish(channel, msg, sz)`: how many subscribers have the message in their mailbox.
fn publish(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let channel = channel(stack)?;
    let payload = block::take(stack, state, 2)?;
    let taken = state.publish(channel, &payload);
    let taken = taken.map_err(|fault| Raise::message(fault.message))?;
    stack.push_integer(taken as i64);
    Ok(Outcome::Return(1))
}

/// The channel in the first argument; no channel has the number 0.
fn channel(stack: &Stack<'_>) -> Result<u64, Raise> {
    Ok(u64::try_from(stack.check_integer(1)?).unwrap_or(0))
}
