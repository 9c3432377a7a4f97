//! From documents to Lua tables. Any bytes are decoded or refused.

use super::elements::{
    ARRAY, BINARY, BOOLEAN, BsonFault, DATE, DEPTH_LIMIT, DOCUMENT, DOUBLE, Elements, INT32, INT64,
    NULL, STRING, UNDEFINED,
};
use super::special;
use crate::vm::Stack;

/// Length in front of a text or of binary data.
const LENGTH_BYTES: usize = 4;

/// Pushes the table that a document describes.
pub(super) fn push_document(stack: &mut Stack<'_>, bytes: &[u8]) -> Result<(), BsonFault> {
    push_elements(stack, bytes, false, 0)
}

fn push_elements(
    stack: &mut Stack<'_>,
    bytes: &[u8],
    is_array: bool,
    depth: usize,
) -> Result<(), BsonFault> {
    if depth == DEPTH_LIMIT {
        return Err(BsonFault::Depth);
    }
    let mut elements = Elements::new(bytes)?;
    stack.push_table(0, 0);
    let mut position = 0;
    while let Some(element) = elements.next()? {
        // A few bytes become a table.
        if !stack.is_within_memory() {
            return Err(BsonFault::Memory);
        }
        position += 1;
        if is_array {
            push_value(stack, element.kind, element.value, depth)?;
            stack.raw_set_item(-2, item_number(element.key).unwrap_or(position));
        } else {
            stack.push_bytes(element.key);
            push_value(stack, element.kind, element.value, depth)?;
            stack.raw_set(-3);
        }
    }
    Ok(())
}

/// The keys of an array are its indices, counted from 0.
fn item_number(key: &[u8]) -> Option<i64> {
    let index: u32 = std::str::from_utf8(key).ok()?.parse().ok()?;
    Some(i64::from(index) + 1)
}

/// Pushes a value whose size was checked for its kind.
fn push_value(
    stack: &mut Stack<'_>,
    kind: u8,
    value: &[u8],
    depth: usize,
) -> Result<(), BsonFault> {
    match kind {
        DOUBLE => stack.push_number(f64::from_le_bytes(fixed(value)?)),
        INT32 => stack.push_integer(i32::from_le_bytes(fixed(value)?).into()),
        INT64 => stack.push_integer(i64::from_le_bytes(fixed(value)?)),
        BOOLEAN => stack.push_bool(value != [0]),
        STRING => stack.push_bytes(&value[LENGTH_BYTES..value.len() - 1]),
        DOCUMENT => push_elements(stack, value, false, depth + 1)?,
        ARRAY => push_elements(stack, value, true, depth + 1)?,
        UNDEFINED => special::push(stack, NULL, &[]),
        BINARY => special::push(stack, BINARY, &value[LENGTH_BYTES..]),
        DATE => {
            let milliseconds = i64::from_le_bytes(fixed(value)?);
            special::push_date(stack, milliseconds.div_euclid(1000));
        }
        other => special::push(stack, other, value),
    }
    Ok(())
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], BsonFault> {
    value.try_into().map_err(|_| BsonFault::Truncated)
}
