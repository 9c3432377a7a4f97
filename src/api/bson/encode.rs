//! From Lua tables to documents, straight from the stack.
//!
//! A table is an array if it has `__len`, or holds a list and nothing else; otherwise a document,
//! read through `__pairs` where there is one.

use std::ffi::c_int;

use super::document::Document;
use super::elements::{
    ARRAY, BINARY, BOOLEAN, DATE, DEPTH_LIMIT, DOCUMENT, DOUBLE, INT32, INT64, SIZE_LIMIT_BYTES,
    STRING,
};
use super::special;
use crate::vm::{CountedBytes, Kind, Raise, Stack};

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 16;

/// The fewest bytes that an item of an array takes: its type, a digit and a zero.
const ITEM_LEAST_BYTES: usize = 3;

/// The document for the table at `index`, which is never an array.
pub(super) fn table<'vm>(stack: &mut Stack<'vm>, index: c_int) -> Result<CountedBytes<'vm>, Raise> {
    let mut encoder = Encoder { out: CountedBytes::new(stack), depth: 0 };
    encoder.block(stack, |encoder, stack| encoder.fields(stack, index))?;
    Ok(encoder.out)
}

/// The document for pairs of keys and values, the first `count` values of the stack.
pub(super) fn pairs<'vm>(stack: &mut Stack<'vm>, count: c_int) -> Result<CountedBytes<'vm>, Raise> {
    let mut encoder = Encoder { out: CountedBytes::new(stack), depth: 0 };
    encoder.block(stack, |encoder, stack| {
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

struct Encoder<'vm> {
    out: CountedBytes<'vm>,
    depth: usize,
}

impl Encoder<'_> {
    /// Writes a document whose elements `fill` writes.
    fn block(
        &mut self,
        stack: &mut Stack<'_>,
        fill: impl FnOnce(&mut Self, &mut Stack<'_>) -> Result<(), Raise>,
    ) -> Result<(), Raise> {
        if self.depth == DEPTH_LIMIT {
            let message = format!(
                "Too depth while encoding bson: tables are nested more than {DEPTH_LIMIT} deep"
            );
            return Err(Raise::message(message));
        }
        stack.check_depth()?;
        self.depth += 1;
        let start = self.out.len();
        self.out.extend(stack, &[0; 4])?;
        fill(self, stack)?;
        self.out.push(stack, 0)?;
        self.check_size(0)?;
        let size = (self.out.len() - start) as u32;
        self.out.overwrite(start, &size.to_le_bytes());
        self.depth -= 1;
        Ok(())
    }

    /// Whether so many bytes more may follow.
    #[inline]
    fn check_size(&self, more: usize) -> Result<(), Raise> {
        if self.out.len().saturating_add(more) <= SIZE_LIMIT_BYTES {
            Ok(())
        } else {
            Err(too_large())
        }
    }

    /// Writes the pairs of the table at `table`.
    fn fields(&mut self, stack: &mut Stack<'_>, table: c_int) -> Result<(), Raise> {
        stack.reserve(SLOTS_PER_LEVEL)?;
        stack.for_each_as_scripts_see(table, |stack| self.field(stack))
    }

    /// Writes the value on top under the key below it.
    fn field(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        let (place, key) = (self.out.len(), stack.top() - 1);
        self.out.push(stack, 0)?;
        match stack.kind(key) {
            Kind::String => self.out.extend_string(stack, key)?,
            Kind::Number => {
                let key = stack.text(key);
                self.out.extend(stack, key.as_bytes())?;
            }
            other => {
                let message = "Invalid key type : a key must be a string or a number, got";
                return Err(Raise::message(format!("{message} {}", other.name())));
            }
        }
        let key = &self.out[place + 1..];
        if key.contains(&0) {
            let key = String::from_utf8_lossy(key);
            return Err(Raise::message(format!("the key {key:?} holds a zero byte")));
        }
        self.element(stack, place)
    }

    /// Writes the value on top. The element begins at `place`, and its key is written.
    fn element(&mut self, stack: &mut Stack<'_>, place: usize) -> Result<(), Raise> {
        self.out.push(stack, 0)?;
        let kind = self.value(stack, place)?;
        self.out.overwrite(place, &[kind]);
        self.check_size(0)
    }

    /// Writes the value on top, of the element that begins at `place`; returns its type.
    fn value(&mut self, stack: &mut Stack<'_>, place: usize) -> Result<u8, Raise> {
        match stack.kind(stack.top()) {
            Kind::Number => self.number(stack),
            Kind::Boolean => {
                self.out.push(stack, stack.truth(-1).into())?;
                Ok(BOOLEAN)
            }
            Kind::String => self.string(stack),
            Kind::Table => self.table(stack),
            Kind::Userdata => {
                Document::push_bytes(stack, stack.top())?;
                self.out.extend_string(stack, -1)?;
                stack.pop(1);
                Ok(DOCUMENT)
            }
            other => {
                let key = String::from_utf8_lossy(&self.out[place + 1..self.out.len() - 1]);
                let message = format!("field {key}: Invalid value type : {}", other.name());
                Err(Raise::message(message))
            }
        }
    }

    fn number(&mut self, stack: &mut Stack<'_>) -> Result<u8, Raise> {
        let integer = stack.integer(-1).filter(|_| stack.is_integer(-1));
        let Some(integer) = integer else {
            let number = stack.number(-1).unwrap_or_default();
            self.out.extend(stack, &number.to_le_bytes())?;
            return Ok(DOUBLE);
        };
        match i32::try_from(integer) {
            Ok(integer) => {
                self.out.extend(stack, &integer.to_le_bytes())?;
                Ok(INT32)
            }
            Err(_) => {
                self.out.extend(stack, &integer.to_le_bytes())?;
                Ok(INT64)
            }
        }
    }

    /// Writes the string on top, or what it stands for.
    fn string(&mut self, stack: &mut Stack<'_>) -> Result<u8, Raise> {
        let text = stack.bytes(stack.top()).unwrap_or_default();
        let length = text.len();
        self.check_size(length)?;
        if let Some((kind, content)) = special::split(text) {
            let content = content.to_vec();
            return self.special(stack, kind, &content);
        }
        self.length(stack, length + 1)?;
        self.out.extend_string(stack, -1)?;
        self.out.push(stack, 0)?;
        Ok(STRING)
    }

    fn special(&mut self, stack: &mut Stack<'_>, kind: u8, content: &[u8]) -> Result<u8, Raise> {
        special::check(kind, content)?;
        match kind {
            BINARY => {
                self.length(stack, content.len() - 1)?;
                self.out.extend(stack, content)?;
            }
            DATE => {
                let milliseconds = special::seconds(content)?.saturating_mul(1000);
                self.out.extend(stack, &milliseconds.to_le_bytes())?;
            }
            _ => self.out.extend(stack, content)?,
        }
        Ok(kind)
    }

    /// Writes the length of what follows, which is no longer than a document.
    fn length(&mut self, stack: &mut Stack<'_>, length: usize) -> Result<(), Raise> {
        self.out.extend(stack, &(length as u32).to_le_bytes())
    }

    fn table(&mut self, stack: &mut Stack<'_>) -> Result<u8, Raise> {
        stack.reserve(SLOTS_PER_LEVEL)?;
        let table = stack.top();
        match array_length(stack, table)? {
            Some(length) => {
                self.block(stack, |encoder, stack| encoder.items(stack, table, length))?;
                Ok(ARRAY)
            }
            None => {
                self.block(stack, |encoder, stack| encoder.fields(stack, table))?;
                Ok(DOCUMENT)
            }
        }
    }

    fn items(&mut self, stack: &mut Stack<'_>, table: c_int, length: i64) -> Result<(), Raise> {
        // A `__len` may say anything.
        let least_bytes = usize::try_from(length).unwrap_or(0).saturating_mul(ITEM_LEAST_BYTES);
        self.check_size(least_bytes)?;
        for position in 1..=length {
            stack.get_item(table, position)?;
            let place = self.out.len();
            self.out.push(stack, 0)?;
            self.out.extend(stack, Digits::of(position - 1).text())?;
            self.element(stack, place)?;
            stack.set_top(table);
        }
        Ok(())
    }
}

#[cold]
fn too_large() -> Raise {
    Raise::message(format!("the document is larger than {SIZE_LIMIT_BYTES} bytes"))
}

/// A number in decimal digits, without a string of its own.
struct Digits {
    digits: [u8; Digits::MOST],
    start: usize,
}

impl Digits {
    /// Digits of the largest number.
    const MOST: usize = 20;

    fn of(number: i64) -> Digits {
        let (mut digits, mut start) = ([0; Digits::MOST], Digits::MOST);
        let mut rest = number.unsigned_abs();
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Digits { digits, start };
            }
        }
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// The length of the table at `table`, the top, if it is an array.
fn array_length(stack: &mut Stack<'_>, table: c_int) -> Result<Option<i64>, Raise> {
    if stack.push_metamethod(table, "__len") {
        stack.push_value(table);
        stack.call_or_raise(1, 1)?;
        let length = stack.integer(-1);
        stack.set_top(table);
        return match length {
            Some(length) => Ok(Some(length)),
            None => Err(Raise::message("__len must return an integer")),
        };
    }
    let has_pairs = stack.push_metamethod(table, "__pairs");
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
