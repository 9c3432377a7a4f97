//! Methods for plain values: get, set and their kin, incr, ttl, expire.

use moonhive_shm::{Error, Incremented, Number, Overdue, Remaining, SetOptions, Stored};

use super::arguments::{Given, fit_key, flags, flags_out, key, number_at, span_ms, ttl_ms};
use super::dict::{
    dict, keep_buffer, or_zone, push_value, refuse_argument, take_buffer, tidy_dict,
};
use super::failure::{answer, answer_store, bad, raise, refuse, refuse_store};
use super::registry::Opened;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const METHODS: [(&str, Native); 11] = [
    ("add", Native::new(add)),
    ("delete", Native::new(delete)),
    ("expire", Native::new(expire)),
    ("get", Native::new(get)),
    ("get_stale", Native::new(get_stale)),
    ("incr", Native::new(incr)),
    ("replace", Native::new(replace)),
    ("safe_add", Native::new(safe_add)),
    ("safe_set", Native::new(safe_set)),
    ("set", Native::new(set)),
    ("ttl", Native::new(ttl)),
];

/// `get(key)`: the value, and the flags if there are any.
fn get(stack: &mut Stack<'_>) -> NativeResult {
    if let Some(fault) = fit_key(stack)? {
        return refuse_argument(stack, fault);
    }
    let mut buffer = take_buffer();
    let found = tidy_dict(stack)?.get_into(key(stack), &mut buffer);
    let results = match found {
        Ok(Some(entry)) => {
            push_value(stack, &entry.value)?;
            if entry.flags == 0 {
                1
            } else {
                stack.push_integer(flags_out(entry.flags));
                2
            }
        }
        Ok(None) => {
            stack.push_nil();
            1
        }
        Err(error) => return answer(stack, &error),
    };
    keep_buffer(buffer);
    Ok(Outcome::Return(results))
}

/// `get_stale(key)`: the value, the flags or nil, and whether its time is over.
fn get_stale(stack: &mut Stack<'_>) -> NativeResult {
    if let Some(fault) = fit_key(stack)? {
        return refuse_argument(stack, fault);
    }
    let mut buffer = take_buffer();
    let found = dict(stack)?.get_stale(key(stack), &mut buffer);
    let entry = match found {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            stack.push_nil();
            return Ok(Outcome::Return(1));
        }
        Err(error) => return answer(stack, &error),
    };
    push_value(stack, &entry.value)?;
    match entry.flags {
        0 => stack.push_nil(),
        flags => stack.push_integer(flags_out(flags)),
    }
    stack.push_bool(entry.is_stale);
    keep_buffer(buffer);
    Ok(Outcome::Return(3))
}

/// What the methods that store differ in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Set,
    Add,
    Replace,
}

fn set(stack: &mut Stack<'_>) -> NativeResult {
    store(stack, Store::Set, SetOptions::default())
}

fn safe_set(stack: &mut Stack<'_>) -> NativeResult {
    store(stack, Store::Set, SetOptions::default().never_evict())
}

fn add(stack: &mut Stack<'_>) -> NativeResult {
    store(stack, Store::Add, SetOptions::default())
}

fn safe_add(stack: &mut Stack<'_>) -> NativeResult {
    store(stack, Store::Add, SetOptions::default().never_evict())
}

fn replace(stack: &mut Stack<'_>) -> NativeResult {
    store(stack, Store::Replace, SetOptions::default())
}

/// `set(key, value [, exptime [, flags]])` and its kin.
#[inline]
fn store(stack: &mut Stack<'_>, store: Store, options: SetOptions) -> NativeResult {
    let options = options.ttl_ms(ttl_ms(stack, 4).map_err(|raise| or_zone(stack, raise))?);
    if let Some(fault) = fit_key(stack)? {
        return refuse_argument(stack, fault);
    }
    let given = Given::at(stack, 3);
    if let Given::Refused(detail) = given {
        dict(stack)?;
        return refuse_value(stack, detail);
    }
    let flags = flags(stack, 5).map_err(|raise| or_zone(stack, raise))?;
    if matches!(given, Given::Nil) {
        return store_nothing(stack, store);
    }
    let options = options.flags(flags);
    let dict = tidy_dict(stack)?;
    let (key, value) = (key(stack), given.value(stack, 3));
    let stored = match store {
        Store::Set => dict.set(key, value, options),
        Store::Add => dict.add(key, value, options),
        Store::Replace => dict.replace(key, value, options),
    };
    dict.note_end(options.ttl_ms);
    match stored {
        Ok(Stored { forcible, .. }) => succeed(stack, forcible),
        Err(error) => answer_store(stack, &error),
    }
}

#[inline]
fn succeed(stack: &mut Stack<'_>, forcible: bool) -> NativeResult {
    stack.push_bool(true);
    stack.push_nil();
    stack.push_bool(forcible);
    Ok(Outcome::Return(3))
}

/// Nil removes, or is refused.
#[cold]
fn store_nothing(stack: &mut Stack<'_>, store: Store) -> NativeResult {
    dict(stack)?;
    match store {
        Store::Set => remove(stack),
        _ => refuse_store(stack, "attempt to add or replace nil values", false),
    }
}

/// Answers `nil, "bad value type"`, and for a table what in it is wrong.
#[cold]
pub fn refuse_value(stack: &mut Stack<'_>, detail: Option<String>) -> NativeResult {
    let Outcome::Return(count) = refuse(stack, "bad value type")? else { unreachable!() };
    let Some(detail) = detail else { return Ok(Outcome::Return(count)) };
    stack.push_str(&detail);
    Ok(Outcome::Return(count + 1))
}

/// `delete(key)`: true whether there was something or not, as nginx answers.
fn delete(stack: &mut Stack<'_>) -> NativeResult {
    match fit_key(stack)? {
        Some(fault) => refuse_argument(stack, fault),
        None => remove(stack),
    }
}

fn remove(stack: &mut Stack<'_>) -> NativeResult {
    match tidy_dict(stack)?.delete(key(stack)) {
        Ok(_) => succeed(stack, false),
        Err(error) => Err(raise(stack, &error)),
    }
}

/// `incr(key, value [, init [, init_ttl]])`: the new value; with `init` nil and whether live
/// entries were thrown out, too.
fn incr(stack: &mut Stack<'_>) -> NativeResult {
    if let Some(fault) = fit_key(stack)? {
        return refuse_argument(stack, fault);
    }
    let numbers = increments(stack).map_err(|raise| or_zone(stack, raise));
    let (by, init, ttl_ms) = numbers?;
    let dict = tidy_dict(stack)?;
    let options = SetOptions::default().ttl_ms(ttl_ms);
    let result = dict.incr(key(stack), by, init, options);
    dict.note_end(ttl_ms);
    match result {
        Ok(Incremented { value, forcible }) => {
            match value {
                Number::Integer(value) => stack.push_integer(value),
                Number::Double(value) => stack.push_number(value),
            }
            if init.is_none() {
                return Ok(Outcome::Return(1));
            }
            stack.push_nil();
            stack.push_bool(forcible);
            Ok(Outcome::Return(3))
        }
        Err(error) => answer(stack, &error),
    }
}

/// What to add, what to begin with, and for how long.
fn increments(stack: &Stack<'_>) -> Result<(Number, Option<Number>, u64), Raise> {
    let nothing = || Raise::message("cannot convert 'nil' to 'double'");
    let by = number_at(stack, 3).ok_or_else(nothing)?;
    let init = initial(stack)?;
    Ok((by, init, initial_ttl_ms(stack, init.is_some())?))
}

/// The number that a counter begins with.
fn initial(stack: &Stack<'_>) -> Result<Option<Number>, Raise> {
    if !stack.truth(4) {
        return Ok(None);
    }
    number_at(stack, 4).map(Some).ok_or_else(|| not_number(stack, "init", 4))
}

/// The time to live of a counter that begins.
fn initial_ttl_ms(stack: &Stack<'_>, has_initial: bool) -> Result<u64, Raise> {
    if stack.is_none_or_nil(5) {
        return Ok(0);
    }
    let seconds = stack.number(5).ok_or_else(|| not_number(stack, "init_ttl", 5))?;
    let ttl_ms = span_ms(seconds, "init_ttl")?;
    if has_initial {
        return Ok(ttl_ms);
    }
    Err(Raise::message("must provide \"init\" when providing \"init_ttl\""))
}

#[cold]
fn not_number(stack: &Stack<'_>, name: &str, argument: i32) -> Raise {
    let kind = stack.kind(argument).name();
    Raise::message(format!("bad {name} arg: number expected, got {kind}"))
}

/// `ttl(key)`: seconds, in steps of a millisecond; 0 for ever; negative for what was not reclaimed
/// yet.
fn ttl(stack: &mut Stack<'_>) -> NativeResult {
    if let Some(fault) = fit_key(stack)? {
        return refuse_argument(stack, fault);
    }
    let opened = dict(stack)?;
    match left_ms(opened, key(stack)) {
        Ok(ms) if ms % 1000 == 0 => stack.push_integer(ms / 1000),
        Ok(ms) => stack.push_number(ms as f64 / 1000.0),
        Err(error) => return answer(stack, &error),
    }
    Ok(Outcome::Return(1))
}

/// Milliseconds that an entry still lives, or has been dead for.
fn left_ms(dict: &Opened, key: &[u8]) -> Result<i64, Error> {
    match dict.dictionary.ttl(key) {
        Ok(Remaining::Forever) => Ok(0),
        Ok(Remaining::Us(left_us)) => Ok(left_us.div_ceil(1000) as i64),
        Err(Error::NotFound) => match dict.overdue(key)? {
            None => Err(Error::NotFound),
            Some(Overdue::For(past)) => Ok(-(past.as_millis() as i64).max(1)),
            Some(Overdue::Flushed) => Ok(1 - super::registry::unix_time_ms()),
        },
        Err(error) => Err(error),
    }
}

/// `expire(key, exptime)`: true if there is a live entry.
fn expire(stack: &mut Stack<'_>) -> NativeResult {
    dict(stack)?;
    if !stack.truth(3) {
        return Err(bad("exptime"));
    }
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    let seconds = stack.number(3).filter(|_| stack.kind(3) != Kind::Boolean);
    let seconds = seconds.ok_or_else(|| not_arithmetic(stack))?;
    let ttl_ms = span_ms(seconds, "exptime")?;
    let dict = dict(stack)?;
    let result = dict.expire(key(stack), ttl_ms);
    dict.note_end(ttl_ms);
    match result {
        Ok(()) => {
            stack.push_bool(true);
            Ok(Outcome::Return(1))
        }
        Err(error) => answer(stack, &error),
    }
}

#[cold]
fn not_arithmetic(stack: &Stack<'_>) -> Raise {
    let kind = stack.kind(3).name();
    Raise::message(format!("attempt to perform arithmetic on local 'exptime' (a {kind} value)"))
}
