//! From Lua tables to documents, straight from the stack.
//!
//! A table is an array if it has `__len`, or holds a list and nothing else; otherwise a document, read
//! through `__pairs` where there is one.

use std::ffi::c_int;

use super::document::Document;
use super::elements::{
    ARRAY, BINARY, BOOLEAN, DATE, DEPTH_LIMIT, DOCUMENT, DOUBLE, INT32, INT64, SIZE_LIMIT_BYTES,
    STRING,
};
use super::special;
use crate::vm::{Kind, Raise, Stack};

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 16;

/// The document for the table at `index`, which is never an array.
pub(super) fn table(stack: &mut Stack<'_>, index: c_int) -> Result<Vec<u8>, Raise> {
    let mut encoder = Encoder { out: Vec::with_capacity(256), depth: 0 };
    encoder.block(|encoder| encoder.fields(stack, index))?;
    Ok(encoder.out)
}

/// The document for pairs of keys and values, the first `count` values of the stack.
pub(super) fn pairs(stack: &mut Stack<'_>, count: c_int) -> Result<Vec<u8>, Raise> {
    let mut encoder = Encoder { out: Vec::with_capacity(256), depth: 0 };
    encoder.block(|encoder| {
        for place in (1..count).step_by(2) {
            if !matches!(stack.kind(place), Kind::String | Kind::Number) {
                return Err(stack.type_error(place, "string"));
            }
            stack.push_value(place);
            stack.push_value(place + 1);
            encoder.field(stack)?;
            stack.set_top(count);
        }
        Ok(())
    })?;
    Ok(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
    depth: usize,
}

impl Encoder {
    /// Writes a document whose elements `fill` writes.
    fn block(&mut self, fill: impl FnOnce(&mut Encoder) -> Result<(), Raise>) -> Result<(), Raise> {
        if self.depth == DEPTH_LIMIT {
            return Err(Raise::message(format!("tables are nested more than {DEPTH_LIMIT} deep")));
        }
        self.depth += 1;
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        fill(self)?;
        self.out.push(0);
        if self.out.len() > SIZE_LIMIT_BYTES {
            let message = format!("the document is larger than {SIZE_LIMIT_BYTES} bytes");
            return Err(Raise::message(message));
        }
        let size = (self.out.len() - start) as u32;
        self.out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        self.depth -= 1;
        Ok(())
    }

    /// Writes the pairs of the table at `table`.
    fn fields(&mut self, stack: &mut Stack<'_>, table: c_int) -> Result<(), Raise> {
        stack.reserve(SLOTS_PER_LEVEL)?;
        if !push_method(stack, table, "__pairs") {
            return stack.for_each(table, |stack| self.field(stack));
        }
        let first = stack.top();
        stack.push_value(table);
        stack.call_or_raise(1, 3)?;
        // The iterator is at `first`, its state and its control value behind it.
        loop {
            for part in 0..3 {
                stack.push_value(first + part);
            }
            stack.call_or_raise(2, 2)?;
            if stack.kind(-2) == Kind::Nil {
                stack.set_top(first - 1);
                return Ok(());
            }
            stack.push_value(-2);
            stack.replace(first + 2);
            self.field(stack)?;
            stack.set_top(first + 2);
        }
    }

    /// Writes the value on top under the key below it.
    fn field(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        let key = match stack.kind(-2) {
            Kind::String => stack.bytes(-2).unwrap_or_default().to_vec(),
            Kind::Number => stack.text(-2).into_bytes(),
            other => {
                let message = format!("a key must be a string or a number, got {}", other.name());
                return Err(Raise::message(message));
            }
        };
        if key.contains(&0) {
            let key = String::from_utf8_lossy(&key).into_owned();
            return Err(Raise::message(format!("the key {key:?} holds a zero byte")));
        }
        self.element(stack, &key)
    }

    /// Writes the value on top under this key.
    fn element(&mut self, stack: &mut Stack<'_>, key: &[u8]) -> Result<(), Raise> {
        let place = self.out.len();
        self.out.push(0);
        self.out.extend_from_slice(key);
        self.out.push(0);
        self.out[place] = self.value(stack, key)?;
        Ok(())
    }

    /// Writes the value on top; returns its type.
    fn value(&mut self, stack: &mut Stack<'_>, key: &[u8]) -> Result<u8, Raise> {
        match stack.kind(-1) {
            Kind::Number => Ok(self.number(stack)),
            Kind::Boolean => {
                self.out.push(stack.truth(-1).into());
                Ok(BOOLEAN)
            }
            Kind::String => self.string(stack.bytes(-1).unwrap_or_default()),
            Kind::Table => self.table(stack),
            Kind::Userdata => {
                let document = Document::bytes(stack, stack.top())?;
                self.out.extend_from_slice(&document);
                Ok(DOCUMENT)
            }
            other => {
                let key = String::from_utf8_lossy(key);
                let message = format!("field {key}: bson knows no {}", other.name());
                Err(Raise::message(message))
            }
        }
    }

    fn number(&mut self, stack: &Stack<'_>) -> u8 {
        let integer = stack.integer(-1).filter(|_| stack.is_integer(-1));
        let Some(integer) = integer else {
            let number = stack.number(-1).unwrap_or_default();
            self.out.extend_from_slice(&number.to_le_bytes());
            return DOUBLE;
        };
        match i32::try_from(integer) {
            Ok(integer) => {
                self.out.extend_from_slice(&integer.to_le_bytes());
                INT32
            }
            Err(_) => {
                self.out.extend_from_slice(&integer.to_le_bytes());
                INT64
            }
        }
    }

    fn string(&mut self, text: &[u8]) -> Result<u8, Raise> {
        let Some((kind, content)) = special::split(text) else {
            self.sized(text.len() + 1, text)?;
            self.out.push(0);
            return Ok(STRING);
        };
        special::check(kind, content)?;
        match kind {
            BINARY => self.sized(content.len() - 1, content)?,
            DATE => {
                let milliseconds = special::seconds(content)?.saturating_mul(1000);
                self.out.extend_from_slice(&milliseconds.to_le_bytes());
            }
            _ => self.out.extend_from_slice(content),
        }
        Ok(kind)
    }

    /// Writes bytes with a length in front.
    fn sized(&mut self, length: usize, bytes: &[u8]) -> Result<(), Raise> {
        let length = i32::try_from(length).map_err(|_| Raise::message("a string is too long"))?;
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn table(&mut self, stack: &mut Stack<'_>) -> Result<u8, Raise> {
        stack.reserve(SLOTS_PER_LEVEL)?;
        let table = stack.top();
        match array_length(stack, table)? {
            Some(length) => {
                self.block(|encoder| encoder.items(stack, table, length))?;
                Ok(ARRAY)
            }
            None => {
                self.block(|encoder| encoder.fields(stack, table))?;
                Ok(DOCUMENT)
            }
        }
    }

    fn items(&mut self, stack: &mut Stack<'_>, table: c_int, length: i64) -> Result<(), Raise> {
        for position in 1..=length {
            stack.get_item(table, position)?;
            self.element(stack, (position - 1).to_string().as_bytes())?;
            stack.set_top(table);
        }
        Ok(())
    }
}

/// Pushes a metamethod of the value at `index`; pushes nothing and is false without one.
fn push_method(stack: &mut Stack<'_>, index: c_int, name: &str) -> bool {
    let top = stack.top();
    if stack.push_metatable(index) && stack.raw_get_field(-1, name) != Kind::Nil {
        stack.remove(-2);
        return true;
    }
    stack.set_top(top);
    false
}

/// The length of the table at `table`, the top, if it is an array.
fn array_length(stack: &mut Stack<'_>, table: c_int) -> Result<Option<i64>, Raise> {
    if push_method(stack, table, "__len") {
        stack.push_value(table);
        stack.call_or_raise(1, 1)?;
        let length = stack.integer(-1);
        stack.set_top(table);
        return match length {
            Some(length) => Ok(Some(length)),
            None => Err(Raise::message("__len must return an integer")),
        };
    }
    let has_pairs = push_method(stack, table, "__pairs");
    stack.set_top(table);
    let length = i64::try_from(stack.raw_len(table)).unwrap_or(i64::MAX);
    if has_pairs || length == 0 {
        return Ok(None);
    }
    let mut keys = 0;
    stack.for_each(table, |stack| {
        let is_item = stack.is_integer(-2)
            && stack.integer(-2).is_some_and(|key| (1..=length).contains(&key));
        keys += if is_item { 0 } else { 1 };
        Ok(())
    })?;
    Ok((keys == 0).then_some(length))
}
