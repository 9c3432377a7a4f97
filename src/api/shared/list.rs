//! Methods for lists.

use moonhive_shm::{Error, SetOptions, Side, Value};

use super::arguments::{Given, fit_list_key, key, plain_at, span_ms};
use super::dict::{
    Dict, dict, keep_buffer, or_zone, push_value, refuse_argument, take_buffer, tidy_dict,
};
use super::failure::{answer, bad, raise, refuse, refuse_store};
use super::options::{SECONDS, Table};
use super::scalar::refuse_value;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const METHODS: [(&str, Native); 6] = [
    ("llen", Native::new(llen)),
    ("lpop", Native::new(lpop)),
    ("lpush", Native::new(lpush)),
    ("lrange", Native::new(lrange)),
    ("rpop", Native::new(rpop)),
    ("rpush", Native::new(rpush)),
];

/// Where the options of a push are; nginx knows none, and takes only strings and numbers.
const OPTIONS: i32 = 4;

/// What the head of a new list takes beside its key.
const HEAD_BYTES: u64 = 72;

/// Makes sure that there are exactly so many arguments, as nginx does for lists.
#[inline]
fn check_count(stack: &Stack<'_>, wanted: i32) -> Result<(), Raise> {
    let seen = stack.top();
    if seen == wanted { Ok(()) } else { Err(wrong_count(wanted, seen)) }
}

#[cold]
fn wrong_count(wanted: i32, seen: i32) -> Raise {
    Raise::message(format!("expecting {wanted} arguments, but only seen {seen}"))
}

fn lpush(stack: &mut Stack<'_>) -> NativeResult {
    push(stack, Side::Left)
}

fn rpush(stack: &mut Stack<'_>) -> NativeResult {
    push(stack, Side::Right)
}

/// `lpush(key, value [, { ttl =, evict = }])`: the new length. With options tables and booleans are
/// taken, too.
#[inline]
fn push(stack: &mut Stack<'_>, side: Side) -> NativeResult {
    let has_options = stack.top() == OPTIONS && stack.kind(OPTIONS) == Kind::Table;
    check_count(stack, if has_options { OPTIONS } else { 3 })?;
    if let Some(fault) = fit_list_key(stack).map_err(|raise| or_zone(stack, raise))? {
        return refuse_argument(stack, fault);
    }
    if has_options {
        return push_with_options(stack, side);
    }
    let value = match stack.bytes(3) {
        Some(bytes) => Value::Bytes(bytes),
        None if stack.kind(3) == Kind::Number => plain_at(stack, 3),
        None => return refuse_argument(stack, "bad value type"),
    };
    let options = SetOptions::default().never_evict();
    let pushed = tidy_dict(stack)?.push(key(stack), value, side, options);
    answer_push(stack, pushed)
}

#[cold]
fn push_with_options(stack: &mut Stack<'_>, side: Side) -> NativeResult {
    let options = push_options(stack, side)?;
    let given = match Given::at(stack, 3) {
        Given::Nil => return refuse(stack, "bad value type"),
        Given::Refused(detail) => return refuse_value(stack, detail),
        given => given,
    };
    let dict = dict(stack)?;
    let pushed = dict.push(key(stack), given.value(stack, 3), side, options);
    dict.note_end(options.ttl_ms);
    answer_push(stack, pushed)
}

/// `ttl`: of a new list; `evict`: whether live entries may be thrown out.
fn push_options(stack: &mut Stack<'_>, side: Side) -> Result<SetOptions, Raise> {
    let method = if side == Side::Left { "lpush" } else { "rpush" };
    let table = Table { method, index: OPTIONS, argument: OPTIONS - 1 };
    table.check_names(stack, &["evict", "ttl"])?;
    let ttl_ms = table.option(stack, "ttl", SECONDS, |stack| {
        let seconds = stack.number(-1).filter(|seconds| !seconds.is_nan())?;
        span_ms(seconds, "ttl").ok()
    })?;
    let may_evict = table.option(stack, "evict", "true or false", |stack| {
        (stack.kind(-1) == Kind::Boolean).then(|| stack.truth(-1))
    })?;
    let options = SetOptions::default().ttl_ms(ttl_ms.unwrap_or(0));
    Ok(if may_evict == Some(true) { options } else { options.never_evict() })
}

#[inline]
fn answer_push(stack: &mut Stack<'_>, pushed: Result<u64, Error>) -> NativeResult {
    match pushed {
        Ok(length) => {
            stack.push_integer(length as i64);
            Ok(Outcome::Return(1))
        }
        Err(error) if has_no_head(stack, &error)? => refuse_store_of_list(stack),
        Err(error) => answer(stack, &error),
    }
}

/// True if a new list found no room even for its head: nginx answers false then, and nil otherwise.
#[cold]
fn has_no_head(stack: &Stack<'_>, error: &Error) -> Result<bool, Raise> {
    let (dict, key) = (dict(stack)?, key(stack));
    let is_new = matches!(error, Error::NoMemory { .. }) && dict.length(key) == Ok(0);
    Ok(is_new && dict.free_bytes() < HEAD_BYTES + key.len() as u64)
}

fn refuse_store_of_list(stack: &mut Stack<'_>) -> NativeResult {
    refuse_store(stack, "no memory", false)?;
    stack.pop(1);
    Ok(Outcome::Return(2))
}

fn lpop(stack: &mut Stack<'_>) -> NativeResult {
    pop(stack, Side::Left)
}

fn rpop(stack: &mut Stack<'_>) -> NativeResult {
    pop(stack, Side::Right)
}

/// `lpop(key)`: the element, or nil.
#[inline]
fn pop(stack: &mut Stack<'_>, side: Side) -> NativeResult {
    check_count(stack, 2)?;
    if let Some(fault) = fit_list_key(stack).map_err(|raise| or_zone(stack, raise))? {
        return refuse_argument(stack, fault);
    }
    let mut buffer = take_buffer();
    match tidy_dict(stack)?.pop_into(key(stack), side, &mut buffer) {
        Ok(Some(value)) => push_value(stack, &value)?,
        Ok(None) => stack.push_nil(),
        Err(error) => return answer(stack, &error),
    }
    keep_buffer(buffer);
    Ok(Outcome::Return(1))
}

/// `llen(key)`: 0 without a list.
fn llen(stack: &mut Stack<'_>) -> NativeResult {
    check_count(stack, 2)?;
    if let Some(fault) = fit_list_key(stack).map_err(|raise| or_zone(stack, raise))? {
        return refuse_argument(stack, fault);
    }
    match tidy_dict(stack)?.length(key(stack)) {
        Ok(length) => {
            stack.push_integer(length as i64);
            Ok(Outcome::Return(1))
        }
        Err(error) => answer(stack, &error),
    }
}

/// `lrange(key [, first [, last]])`: the elements in a table; indices count from 1, negative ones
/// from the end.
fn lrange(stack: &mut Stack<'_>) -> NativeResult {
    stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?;
    if let Some(fault) = fit_list_key(stack)? {
        return refuse(stack, fault);
    }
    let from_zero = |index: i64| if index > 0 { index - 1 } else { index };
    let first = from_zero(stack.optional_integer(3)?.unwrap_or(1));
    let last = from_zero(stack.optional_integer(4)?.unwrap_or(-1));
    let elements = match dict(stack)?.range(key(stack), first, last) {
        Ok(elements) => elements,
        Err(Error::ValueNotList) => return refuse(stack, "value not a list"),
        Err(error) => return Err(raise(stack, &error)),
    };
    stack.push_table(elements.len(), 0);
    for (position, element) in (1..).zip(&elements) {
        stack.check_memory()?;
        push_value(stack, &element.as_value())?;
        stack.raw_set_item(-2, position);
    }
    Ok(Outcome::Return(1))
}
