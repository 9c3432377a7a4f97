//! Documents in the hands of scripts: `tostring` gives the bytes, `#` their number. After
//! `makeindex`, assigning to a field replaces its value in place, if that keeps its size.

use std::cell::Cell;
use std::ffi::c_int;

use super::elements::{
    BOOLEAN, BsonFault, DATE, DOUBLE, Elements, INT32, INT64, OBJECT_ID, TIMESTAMP,
};
use super::special;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack, Userdata};

/// A document; its bytes are the string beside it.
pub(super) struct Document {
    is_indexed: Cell<bool>,
}

const METHODS: [(&str, Native); 2] =
    [("decode", Native::new(super::decode_document)), ("makeindex", Native::new(make_index))];

const METAMETHODS: [(&str, Native); 3] = [
    ("__len", Native::new(length)),
    ("__newindex", Native::new(replace)),
    ("__tostring", Native::new(to_string)),
];

impl Userdata for Document {
    const NAME: &'static str = "bson";
    const HAS_COMPANION: bool = true;

    fn methods() -> &'static [(&'static str, Native)] {
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        &METAMETHODS
    }
}

impl Document {
    /// Pushes the bytes of the document at `index`.
    pub(super) fn push_bytes(stack: &mut Stack<'_>, index: c_int) -> Result<(), Raise> {
        stack.check_userdata::<Document>(index)?;
        stack.push_companion(index);
        Ok(())
    }

    /// The bytes of the document at `index`.
    pub(super) fn bytes(stack: &mut Stack<'_>, index: c_int) -> Result<Vec<u8>, Raise> {
        Document::push_bytes(stack, index)?;
        let bytes = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        Ok(bytes)
    }
}

/// Pushes a document of these bytes as the one result.
pub(super) fn push(stack: &mut Stack<'_>, bytes: &[u8]) -> NativeResult {
    stack.push_userdata(Document { is_indexed: Cell::new(false) });
    stack.push_bytes(bytes);
    stack.set_companion(-2);
    Ok(Outcome::Return(1))
}

fn length(stack: &mut Stack<'_>) -> NativeResult {
    Document::push_bytes(stack, 1)?;
    let length = stack.raw_len(-1);
    stack.push_integer(length as i64);
    Ok(Outcome::Return(1))
}

fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    Document::push_bytes(stack, 1)?;
    Ok(Outcome::Return(1))
}

/// `makeindex(document)`: lets fields be assigned; returns the document.
pub(super) fn make_index(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_userdata::<Document>(1)?.is_indexed.set(true);
    stack.set_top(1);
    Ok(Outcome::Return(1))
}

/// `document[key] = value`
fn replace(stack: &mut Stack<'_>) -> NativeResult {
    if !stack.check_userdata::<Document>(1)?.is_indexed.get() {
        return Err(Raise::message("call makeindex first, then assign to fields of the document"));
    }
    let key = stack.check_bytes(2)?.to_vec();
    let mut bytes = Document::bytes(stack, 1)?;
    let invalid = |fault: BsonFault| Raise::message(fault.to_string());
    let (place, kind) = find(&bytes, &key).map_err(invalid)?.ok_or_else(|| {
        let key = String::from_utf8_lossy(&key).into_owned();
        Raise::argument(2, format!("the document has no field {key} that can be replaced"))
    })?;
    let value = fixed_value(stack, kind)?;
    bytes[place..place + value.len()].copy_from_slice(&value);
    stack.push_bytes(&bytes);
    stack.set_companion(1);
    Ok(Outcome::Return(0))
}

/// Where the value of a field begins, and its kind, if its size is fixed.
fn find(bytes: &[u8], key: &[u8]) -> Result<Option<(usize, u8)>, BsonFault> {
    let mut elements = Elements::new(bytes)?;
    while let Some(element) = elements.next()? {
        let is_fixed =
            matches!(element.kind, DOUBLE | BOOLEAN | OBJECT_ID | DATE | TIMESTAMP | INT32 | INT64);
        if element.key == key && is_fixed {
            let end = bytes.len() - 1 - elements.rest_len();
            return Ok(Some((end - element.value.len(), element.kind)));
        }
    }
    Ok(None)
}

/// The bytes of the third argument as a value of this kind.
fn fixed_value(stack: &Stack<'_>, kind: u8) -> Result<Vec<u8>, Raise> {
    Ok(match kind {
        DOUBLE => stack.check_number(3)?.to_le_bytes().into(),
        BOOLEAN => vec![stack.truth(3).into()],
        INT64 => stack.check_integer(3)?.to_le_bytes().into(),
        INT32 => {
            let number = stack.check_integer(3)?;
            let number = i32::try_from(number)
                .map_err(|_| Raise::argument(3, format!("{number} does not fit 32 bits")))?;
            number.to_le_bytes().into()
        }
        _ => {
            let text = stack.bytes(3).filter(|_| stack.kind(3) == Kind::String);
            let found = text.and_then(special::split).filter(|&(found, _)| found == kind);
            let (_, content) =
                found.ok_or_else(|| Raise::argument(3, "a value of another type"))?;
            special::check(kind, content)?;
            match kind {
                DATE => (special::seconds(content)?.saturating_mul(1000)).to_le_bytes().into(),
                _ => content.to_vec(),
            }
        }
    })
}
