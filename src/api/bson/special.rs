//! Values that Lua has no type for, as strings: a zero byte, the number of the type, and what
//! belongs to it. For most types that is the value's bytes in the document; binary data begins with
//! its subtype, and a date is kept in seconds.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::elements::{
    BINARY, BsonFault, DATE, INT64, MAX_KEY, MIN_KEY, NULL, OBJECT_ID, REGEX, TIMESTAMP,
    split_text, value_size,
};
use crate::vm::{Kind, NativeResult, Outcome, Raise, Stack};

/// What such a string begins with.
pub(super) const MARK: u8 = 0;

/// An object id in hexadecimal digits.
const OBJECT_ID_DIGITS: usize = 24;

/// Pushes a value of this kind.
pub(super) fn push(stack: &mut Stack<'_>, kind: u8, content: &[u8]) {
    let mut bytes = Vec::with_capacity(content.len() + 2);
    bytes.extend_from_slice(&[MARK, kind]);
    bytes.extend_from_slice(content);
    stack.push_bytes(&bytes);
}

/// Pushes a date: four bytes without a sign as far as they reach, otherwise eight.
pub(super) fn push_date(stack: &mut Stack<'_>, seconds: i64) {
    match u32::try_from(seconds) {
        Ok(seconds) => push(stack, DATE, &seconds.to_le_bytes()),
        Err(_) => push(stack, DATE, &seconds.to_le_bytes()),
    }
}

/// The kind and the content of such a string; `None` for other texts.
pub(super) fn split(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [MARK, kind, content @ ..] => Some((*kind, content)),
        _ => None,
    }
}

/// The seconds of a date's content.
pub(super) fn seconds(content: &[u8]) -> Result<i64, Raise> {
    if let Ok(bytes) = content.try_into() {
        return Ok(u32::from_le_bytes(bytes).into());
    }
    let bytes = content.try_into().map_err(|_| Raise::message("an invalid date"))?;
    Ok(i64::from_le_bytes(bytes))
}

/// Checks that the content is a whole value of its kind.
pub(super) fn check(kind: u8, content: &[u8]) -> Result<(), Raise> {
    let is_whole = match kind {
        BINARY => !content.is_empty(),
        DATE => seconds(content).is_ok(),
        _ => value_size(kind, content) == Ok(content.len()),
    };
    if is_whole {
        return Ok(());
    }
    Err(Raise::message(format!(
        "a string that begins with a zero byte, but is no value of type {kind}"
    )))
}

fn result(stack: &mut Stack<'_>, kind: u8, content: &[u8]) -> NativeResult {
    push(stack, kind, content);
    Ok(Outcome::Return(1))
}

/// `binary(bytes [, subtype])`
pub(super) fn binary(stack: &mut Stack<'_>) -> NativeResult {
    let subtype = stack.optional_integer(2)?.unwrap_or(0);
    let subtype = u8::try_from(subtype)
        .map_err(|_| Raise::argument(2, format!("{subtype} is no subtype: 0 to 255")))?;
    let content = [&[subtype], stack.check_bytes(1)?].concat();
    result(stack, BINARY, &content)
}

/// `date(seconds)`
pub(super) fn date(stack: &mut Stack<'_>) -> NativeResult {
    let seconds = stack.check_integer(1)?;
    if seconds.checked_mul(1000).is_none() {
        return Err(Raise::argument(1, "a date so far away has no milliseconds"));
    }
    push_date(stack, seconds);
    Ok(Outcome::Return(1))
}

/// `int64(number)`: eight bytes in the document, however small.
pub(super) fn int64(stack: &mut Stack<'_>) -> NativeResult {
    let number = stack.check_integer(1)?;
    result(stack, INT64, &number.to_le_bytes())
}

/// `timestamp(seconds [, increment])`: without an increment the next of the process.
pub(super) fn timestamp(stack: &mut Stack<'_>) -> NativeResult {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let seconds = stack.check_integer(1)? as u32;
    let increment = match stack.optional_integer(2)? {
        Some(increment) => increment as u32,
        None => NEXT.fetch_add(1, Ordering::Relaxed),
    };
    result(stack, TIMESTAMP, &[increment.to_le_bytes(), seconds.to_le_bytes()].concat())
}

/// `regex(pattern [, options])`
pub(super) fn regex(stack: &mut Stack<'_>) -> NativeResult {
    let pattern = stack.check_bytes(1)?;
    let options = stack.optional_bytes(2)?.unwrap_or_default();
    for (argument, text) in [(1, pattern), (2, options)] {
        if text.contains(&0) {
            return Err(Raise::argument(argument, "a regex cannot hold a zero byte"));
        }
    }
    let content = [pattern, &[0], options, &[0]].concat();
    result(stack, REGEX, &content)
}

/// `objectid([digits])`: a new one, or the one that these digits stand for.
pub(super) fn object_id(stack: &mut Stack<'_>) -> NativeResult {
    let id = match stack.optional_bytes(1)? {
        None => new_object_id()?,
        Some(digits) => {
            let mut id = [0; OBJECT_ID_DIGITS / 2];
            hex::decode_to_slice(digits, &mut id).map_err(|_| {
                Raise::argument(1, format!("{OBJECT_ID_DIGITS} hexadecimal digits expected"))
            })?;
            id
        }
    };
    result(stack, OBJECT_ID, &id)
}

/// The time, random bytes of the process, and a counter that begins anywhere.
fn new_object_id() -> Result<[u8; OBJECT_ID_DIGITS / 2], Raise> {
    static PROCESS: OnceLock<[u8; 5]> = OnceLock::new();
    static COUNTER: OnceLock<AtomicU32> = OnceLock::new();
    let random =
        || getrandom::u64().map_err(|error| Raise::message(format!("no random bytes: {error}")));
    if PROCESS.get().is_none() || COUNTER.get().is_none() {
        let [bytes @ .., _, _, _] = random()?.to_le_bytes();
        PROCESS.get_or_init(|| bytes);
        let begin = random()? as u32;
        COUNTER.get_or_init(|| AtomicU32::new(begin));
    }
    let process = PROCESS.get_or_init(Default::default);
    let count = COUNTER.get_or_init(AtomicU32::default).fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut id = [0; OBJECT_ID_DIGITS / 2];
    id[..4].copy_from_slice(&(now.as_secs() as u32).to_be_bytes());
    id[4..9].copy_from_slice(process);
    id[9..].copy_from_slice(&count.to_be_bytes()[1..]);
    Ok(id)
}

/// `type(value)`: the name of its type, and what it holds in a form for people.
pub(super) fn type_of(stack: &mut Stack<'_>) -> NativeResult {
    let name = match stack.kind(1) {
        Kind::Nil | Kind::None => return named(stack, "nil"),
        Kind::String => match split(stack.check_bytes(1)?) {
            Some((kind, content)) => {
                let content = content.to_vec();
                return special_type(stack, kind, &content);
            }
            None => "string",
        },
        kind @ (Kind::Number | Kind::Boolean | Kind::Table) => kind.name(),
        other => return Err(Raise::argument(1, format!("bson knows no {}", other.name()))),
    };
    stack.push_str(name);
    stack.push_value(1);
    Ok(Outcome::Return(2))
}

fn named(stack: &mut Stack<'_>, name: &str) -> NativeResult {
    stack.push_str(name);
    Ok(Outcome::Return(1))
}

fn special_type(stack: &mut Stack<'_>, kind: u8, content: &[u8]) -> NativeResult {
    check(kind, content)?;
    let top = stack.top();
    match kind {
        NULL => return named(stack, "nil"),
        MIN_KEY => return named(stack, "minkey"),
        MAX_KEY => return named(stack, "maxkey"),
        BINARY => {
            stack.push_str("binary");
            stack.push_bytes(&content[1..]);
            stack.push_integer(content[0].into());
        }
        OBJECT_ID => {
            stack.push_str("objectid");
            stack.push_str(&hex::encode(content));
        }
        DATE => {
            stack.push_str("date");
            stack.push_integer(seconds(content)?);
        }
        TIMESTAMP => {
            stack.push_str("timestamp");
            push_halves(stack, content)?;
        }
        INT64 => {
            stack.push_str("int64");
            let bytes = content.try_into().map_err(|_| Raise::message("an invalid int64"))?;
            stack.push_integer(i64::from_le_bytes(bytes));
        }
        REGEX => {
            let invalid = |fault: BsonFault| Raise::message(fault.to_string());
            let (pattern, rest) = split_text(content).map_err(invalid)?;
            let (options, _) = split_text(rest).map_err(invalid)?;
            stack.push_str("regex");
            stack.push_bytes(pattern);
            stack.push_bytes(options);
        }
        _ => {
            stack.push_str("unsupported");
            stack.push_bytes(content);
        }
    }
    Ok(Outcome::Return(stack.top() - top))
}

/// Pushes the seconds and the increment of a timestamp.
fn push_halves(stack: &mut Stack<'_>, content: &[u8]) -> Result<(), Raise> {
    let bytes = content.try_into().map_err(|_| Raise::message("an invalid timestamp"))?;
    let both = u64::from_le_bytes(bytes);
    stack.push_integer((both >> 32) as i64);
    stack.push_integer((both & u64::from(u32::MAX)) as i64);
    Ok(())
}
