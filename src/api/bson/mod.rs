//! The Lua module `bson`: documents of MongoDB.
//!
//! A document is userdata whose bytes stand beside it as a Lua string, so that the VM counts them.
//! Values that Lua has no type for are strings that begin with a zero byte and the number of their
//! type ([`special`]): they can be compared, kept in tables and sent to other services.

mod decode;
mod document;
mod elements;
mod encode;
mod special;

use document::Document;

use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

/// `require "bson"`.
pub(super) const OPEN: Native = Native::new(open);

const FUNCTIONS: [(&str, Native); 11] = [
    ("binary", Native::new(special::binary)),
    ("date", Native::new(special::date)),
    ("decode", Native::new(decode_document)),
    ("encode", Native::new(encode_table)),
    ("encode_order", Native::new(encode_order)),
    ("int64", Native::new(special::int64)),
    ("makeindex", Native::new(document::make_index)),
    ("objectid", Native::new(special::object_id)),
    ("regex", Native::new(special::regex)),
    ("timestamp", Native::new(special::timestamp)),
    ("type", Native::new(special::type_of)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len() + 3);
    stack.set_natives(&FUNCTIONS);
    for (name, kind) in
        [("null", elements::NULL), ("minkey", elements::MIN_KEY), ("maxkey", elements::MAX_KEY)]
    {
        stack.push_bytes(&[special::MARK, kind]);
        stack.raw_set_field(-2, name);
    }
    Ok(Outcome::Return(1))
}

/// `encode(table)`: the document.
fn encode_table(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(1);
    stack.check_kind(1, Kind::Table)?;
    let bytes = encode::table(stack, 1)?;
    document::push(stack, &bytes)
}

/// `encode_order(key, value, ...)`: the document with its fields in this order.
fn encode_order(stack: &mut Stack<'_>) -> NativeResult {
    if stack.top() % 2 != 0 {
        return Err(Raise::message(
            "pairs of a key and a value expected, the last value is missing",
        ));
    }
    let bytes = encode::pairs(stack, stack.top())?;
    document::push(stack, &bytes)
}

/// `decode(document)`, also of its bytes as a string: the table; nothing for nil or a null pointer.
fn decode_document(stack: &mut Stack<'_>) -> NativeResult {
    if stack.is_none_or_nil(1) || stack.light(1) == Some(0) {
        return Ok(Outcome::Return(0));
    }
    let bytes = match stack.bytes(1) {
        Some(bytes) => bytes.to_vec(),
        None => Document::bytes(stack, 1)?,
    };
    decode::push_document(stack, &bytes).map_err(|fault| Raise::message(fault.to_string()))?;
    Ok(Outcome::Return(1))
}

#[cfg(test)]
mod tests;
