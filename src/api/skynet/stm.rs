//! The Lua module `skynet.stm`: the latest message of one writer, for any number of readers.
//!
//! `stm.new(msg, sz)` makes a writer, which is called to replace the message. `stm.copy(writer)` is
//! a value to send to other services; there `stm.newcopy(copy)` makes a reader.

use super::block;
use crate::actor::skynet::{Reader, Writer, board_bytes};
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack, Userdata};

/// `require "skynet.stm"`.
pub(in crate::api) const OPEN: Native = Native::new(open);

const NATIVES: [(&str, Native); 3] =
    [("copy", Native::new(copy)), ("new", Native::new(new)), ("newcopy", Native::new(newcopy))];

impl Userdata for Writer {
    const NAME: &'static str = "stm writer";

    fn metamethods() -> &'static [(&'static str, Native)] {
        const { &[("__call", Native::new(write))] }
    }

    fn counted_bytes(&self) -> usize {
        self.held_bytes()
    }
}

impl Userdata for Reader {
    const NAME: &'static str = "stm reader";

    fn metamethods() -> &'static [(&'static str, Native)] {
        const { &[("__call", Native::new(read))] }
    }
}

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, NATIVES.len());
    stack.set_natives(&NATIVES);
    Ok(Outcome::Return(1))
}

/// `new(msg, sz)` or `new(string)`: a writer.
fn new(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_any(1)?;
    let payload = block::take(stack, state, 1)?;
    stack.count_outside(board_bytes(&payload))?;
    let writer = state.core.boards.open(payload);
    stack.push_userdata(writer);
    Ok(Outcome::Return(1))
}

/// `copy(writer)`: what leads to it from other services.
fn copy(stack: &mut Stack<'_>) -> NativeResult {
    let number = stack.check_userdata::<Writer>(1)?.number();
    Light::Board(number).push(stack);
    Ok(Outcome::Return(1))
}

/// `newcopy(copy)`: a reader.
fn newcopy(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let Some(Light::Board(number)) = Light::at(stack, 1) else {
        return Err(stack.type_error(1, "what stm.copy returned"));
    };
    stack.push_userdata(state.core.boards.read(number));
    Ok(Outcome::Return(1))
}

/// `writer(msg, sz)` or `writer(string)`: replaces the message.
fn write(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_userdata::<Writer>(1)?;
    stack.check_any(2)?;
    let payload = block::take(stack, state, 2)?;
    let before = stack.check_userdata::<Writer>(1)?.held_bytes();
    stack.recount_outside(before, board_bytes(&payload))?;
    stack.check_userdata::<Writer>(1)?.write(payload);
    Ok(Outcome::Return(0))
}

/// `reader(f [, value])`: true and the results of `f(msg, sz, value)` for a message that it has not
/// seen; false if there is none, or the writer is gone.
fn read(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.check_kind(2, Kind::Function)?;
    stack.set_top(3);
    let Some(payload) = stack.check_userdata::<Reader>(1)?.news() else {
        stack.push_bool(false);
        return Ok(Outcome::Return(1));
    };
    stack.push_bool(true);
    stack.push_value(2);
    let below = stack.top() - 1;
    block::call_with(stack, state, payload, 3)?;
    Ok(Outcome::Return(stack.top() - below + 1))
}
