//! Counters for many writers ([`moonhive_shm::StripedCounter`]): what the Lua half makes its
//! objects of.

use moonhive_shm::{Error, StripedCounter, Value};

use super::arguments::number_at;
use super::dict::{dict, push_value, tidy_dict};
use super::failure::answer;
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

/// For the Lua half; each gets the dictionary and the name of the counter.
pub(super) const NATIVES: [(&str, Native); 3] = [
    ("add_to_counter", Native::new(add)),
    ("read_counter", Native::new(read)),
    ("reset_counter", Native::new(reset)),
];

fn counter<'a>(stack: &'a Stack<'_>) -> Result<StripedCounter<'a>, Raise> {
    Ok(dict(stack)?.dictionary.counter(stack.bytes(2).unwrap_or_default()))
}

/// `add_to_counter(dict, name, n)`: true, or nil and a reason.
fn add(stack: &mut Stack<'_>) -> NativeResult {
    tidy_dict(stack)?;
    let by = number_at(stack, 3);
    let by = by.ok_or_else(|| Raise::message("cannot convert 'nil' to 'double'"))?;
    let added = counter(stack)?.add(by);
    finish(stack, added.map(|()| Value::Boolean(true)))
}

/// `read_counter(dict, name)`: the sum, or nil and a reason.
fn read(stack: &mut Stack<'_>) -> NativeResult {
    tidy_dict(stack)?;
    let sum = counter(stack)?.read();
    finish(stack, sum.map(Value::from))
}

/// `reset_counter(dict, name)`: true, or nil and a reason.
fn reset(stack: &mut Stack<'_>) -> NativeResult {
    tidy_dict(stack)?;
    let reset = counter(stack)?.reset();
    finish(stack, reset.map(|()| Value::Boolean(true)))
}

fn finish(stack: &mut Stack<'_>, result: Result<Value<'static>, Error>) -> NativeResult {
    match result {
        Ok(value) => push_value(stack, &value)?,
        Err(error) => return answer(stack, &error),
    }
    Ok(Outcome::Return(1))
}
