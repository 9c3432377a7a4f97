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
#[inline(always)]
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
#[inline(always)]
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

#[cfg(test)]
mod tests {
    use moonhive_shm::{Dictionary, Options, SetOptions, Side, Value};

    use crate::actor::{Host, Spawn};

    #[test]
    fn an_entry_that_cannot_be_read_does_not_end_a_walk() {
        let name = format!("unit-{}-bad-table", std::process::id());
        let dictionary = Dictionary::create(&name, &Options::new(64 << 10)).unwrap();
        let (bad, options) = (Value::Table(&[0xff, 0xff]), SetOptions::default());
        dictionary.set("bad", bad, options).unwrap();
        dictionary.push("list", 1.into(), Side::Right, options).unwrap();
        dictionary.push("list", bad, Side::Right, options).unwrap();
        for number in 0..10 {
            dictionary.set(format!("good{number}"), number.into(), options).unwrap();
        }
        let text = "local shared = require 'shared'
            local dict = shared.open((...))
            shared.unlink((...))
            local good, bad = 0, {}
            for key, value, flags in dict:items() do
              if value == nil then
                bad[key] = flags
              else
                good = good + 1
                assert(key == 'good' .. value, key)
              end
            end
            assert(good == 10 and bad.bad and bad.list, good)
            assert(bad.bad.code == 'damaged' and bad.list.code == 'damaged')
            assert(bad.bad.errno and bad.bad.message:find('cannot be read', 1, true))
            local ok, err = pcall(dict.get, dict, 'bad')
            assert(not ok and err.code == 'damaged')
            return {}";
        let host = Host::builder().threads(1).build().unwrap();
        host.spawn(Spawn::text("walker", text), (name,)).unwrap();
    }
}
