//! The userdata behind a dictionary, and the buffer that its reads go through.

use std::cell::Cell;
use std::sync::Arc;

use moonhive_shm::{Dictionary, Value};

use super::registry::Opened;
use super::{failure, list, saving, scalar, versioned, whole};
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack, Userdata};

/// A buffer that has grown beyond this is not kept for the next read.
const BUFFER_KEPT_BYTES: usize = 64 << 10;

/// Methods of a dictionary that are native.
const METHOD_COUNT: usize = 33;

/// A dictionary that a VM has open.
pub struct Dict(pub Arc<Opened>);

impl Userdata for Dict {
    const NAME: &'static str = "shared dictionary";

    fn methods() -> &'static [(&'static str, Native)] {
        const METHODS: [(&str, Native); METHOD_COUNT] = joined();
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        const METAMETHODS: [(&str, Native); 1] = [("__tostring", Native::new(to_string))];
        &METAMETHODS
    }
}

/// The methods of all parts in one table.
const fn joined() -> [(&'static str, Native); METHOD_COUNT] {
    let parts: [&[(&str, Native)]; 5] =
        [&scalar::METHODS, &list::METHODS, &whole::METHODS, &versioned::METHODS, &saving::METHODS];
    let mut all = [scalar::METHODS[0]; METHOD_COUNT];
    let (mut part, mut count) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[count] = parts[part][index];
            (index, count) = (index + 1, count + 1);
        }
        part += 1;
    }
    assert!(count == all.len(), "the number of methods");
    all
}

fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    let text = format!("shared dictionary {}", dict(stack)?.name());
    stack.push_str(&text);
    Ok(Outcome::Return(1))
}

/// The dictionary that a method was called on.
///
/// # Errors
/// `bad "zone" argument`, as nginx says it.
#[inline]
pub fn dict<'a>(stack: &'a Stack<'_>) -> Result<&'a Opened, Raise> {
    match stack.userdata::<Dict>(1) {
        Some(dict) => Ok(&dict.0),
        None => Err(failure::bad("zone")),
    }
}

/// Refuses an argument, unless what the method was called on is no dictionary: that comes first.
///
/// # Errors
/// As [`dict`].
#[cold]
pub fn refuse_argument(stack: &mut Stack<'_>, fault: &str) -> NativeResult {
    dict(stack)?;
    failure::refuse(stack, fault)
}

/// The error to raise for an argument, or that what the method was called on is no dictionary.
#[cold]
pub fn or_zone(stack: &Stack<'_>, raise: Raise) -> Raise {
    dict(stack).err().unwrap_or(raise)
}

/// The same for an operation that gives expired entries back on the way.
///
/// # Errors
/// As [`dict`].
#[inline]
pub fn tidy_dict<'a>(stack: &'a Stack<'_>) -> Result<&'a Opened, Raise> {
    let dict = dict(stack)?;
    dict.tidy();
    Ok(dict)
}

impl std::ops::Deref for Opened {
    type Target = Dictionary;

    #[inline]
    fn deref(&self) -> &Dictionary {
        &self.dictionary
    }
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The buffer of this thread: values are copied out of shared memory into it, and from it into Lua.
#[inline]
pub fn take_buffer() -> Vec<u8> {
    BUFFER.take()
}

/// Keeps the buffer for the next read.
#[inline]
pub fn keep_buffer(buffer: Vec<u8>) {
    if buffer.capacity() <= BUFFER_KEPT_BYTES {
        BUFFER.set(buffer);
    }
}

/// Pushes a value of a dictionary.
///
/// # Errors
/// `damaged` for a table whose bytes are none: they may come from another program.
#[inline]
pub fn push_value(stack: &mut Stack<'_>, value: &Value<'_>) -> Result<(), Raise> {
    match value {
        Value::Bytes(bytes) => stack.push_bytes(bytes),
        Value::Integer(value) => stack.push_integer(*value),
        Value::Double(value) => stack.push_number(*value),
        Value::Boolean(value) => stack.push_bool(*value),
        Value::Table(bytes) => return push_table(stack, bytes),
        _ => stack.push_nil(),
    }
    Ok(())
}

fn push_table(stack: &mut Stack<'_>, bytes: &[u8]) -> Result<(), Raise> {
    match stack.unpack_foreign(bytes) {
        Ok(1) => Ok(()),
        Ok(count) => {
            let text = format!("a table in the dictionary holds {count} values");
            Err(failure::damaged(stack, &text))
        }
        Err(error) => {
            let text = format!("a table in the dictionary cannot be read: {error}");
            Err(failure::damaged(stack, &text))
        }
    }
}
