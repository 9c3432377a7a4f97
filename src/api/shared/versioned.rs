//! Methods that know the version of an entry: reading it with its value, and changing the entry
//! only if it is still the one that was read.

use moonhive_shm::{Error, SetOptions};

use super::arguments::{Given, fit_key, flags, flags_out, key, ttl_ms};
use super::dict::{dict, keep_buffer, push_value, take_buffer};
use super::failure::{answer, raise, refuse};
use super::scalar::refuse_value;
use crate::vm::{Native, NativeResult, Outcome, Stack};

pub(super) const METHODS: [(&str, Native); 4] = [
    ("cas", Native::new(cas)),
    ("delete_version", Native::new(delete_version)),
    ("get_versioned", Native::new(get_versioned)),
    ("version", Native::new(version)),
];

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 1] = [("cas_keeping", Native::new(cas_keeping))];

/// `get_versioned(key)`: the value, its version and its flags; nil without a live entry.
fn get_versioned(stack: &mut Stack<'_>) -> NativeResult {
    dict(stack)?;
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    let mut buffer = take_buffer();
    let entry = match dict(stack)?.get_into(key(stack), &mut buffer) {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            stack.push_nil();
            return Ok(Outcome::Return(1));
        }
        Err(error) => return answer(stack, &error),
    };
    push_value(stack, &entry.value)?;
    stack.push_integer(entry.version as i64);
    stack.push_integer(flags_out(entry.flags));
    keep_buffer(buffer);
    Ok(Outcome::Return(3))
}

/// `version(key)`: the version of a live entry or list, or nil.
fn version(stack: &mut Stack<'_>) -> NativeResult {
    dict(stack)?;
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    match dict(stack)?.version(key(stack)) {
        Ok(Some(version)) => stack.push_integer(version as i64),
        Ok(None) => stack.push_nil(),
        Err(error) => return Err(raise(stack, &error)),
    }
    Ok(Outcome::Return(1))
}

/// `cas(key, version, value [, exptime [, flags]])`: the new version; nil, `"changed"` and the
/// version that the entry has if that is another one. Version nil: only if there is no live entry.
fn cas(stack: &mut Stack<'_>) -> NativeResult {
    cas_with(stack, SetOptions::default())
}

/// The same, but the entry keeps its end.
fn cas_keeping(stack: &mut Stack<'_>) -> NativeResult {
    cas_with(stack, SetOptions::default().keep_ttl())
}

fn cas_with(stack: &mut Stack<'_>, options: SetOptions) -> NativeResult {
    dict(stack)?;
    let options = options.ttl_ms(ttl_ms(stack, 5)?).flags(flags(stack, 6)?);
    let expected = stack.optional_integer(3)?;
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    let given = match Given::at(stack, 4) {
        Given::Nil => return refuse(stack, "bad value type"),
        Given::Refused(detail) => return refuse_value(stack, detail),
        given => given,
    };
    let dict = dict(stack)?;
    let (key, value) = (key(stack), given.value(stack, 4));
    let stored = match expected {
        Some(version) => dict.cas(key, version as u64, value, options),
        None => dict.add(key, value, options),
    };
    dict.note_end(options.ttl_ms);
    match stored {
        Ok(stored) => {
            stack.push_integer(stored.version as i64);
            Ok(Outcome::Return(1))
        }
        Err(Error::Exists) => {
            let version = dict.version(key).ok().flatten();
            refuse_version(stack, version)
        }
        Err(Error::Changed { version }) => refuse_version(stack, Some(version)),
        Err(error) => answer(stack, &error),
    }
}

#[cold]
fn refuse_version(stack: &mut Stack<'_>, version: Option<u64>) -> NativeResult {
    stack.push_nil();
    stack.push_str("changed");
    match version {
        Some(version) => stack.push_integer(version as i64),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(3))
}

/// `delete_version(key, version)`: true, or nil and why the entry was left alone.
fn delete_version(stack: &mut Stack<'_>) -> NativeResult {
    dict(stack)?;
    let expected = stack.check_integer(3)?;
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    match dict(stack)?.remove(key(stack), expected as u64) {
        Ok(()) => {
            stack.push_bool(true);
            Ok(Outcome::Return(1))
        }
        Err(Error::Changed { version }) => refuse_version(stack, Some(version)),
        Err(error) => answer(stack, &error),
    }
}
