//! From Lua tables to messages, straight from the stack.
//!
//! A field that is nil is left out. Tables are read as scripts see them, so that proxies with
//! `__index` or `__pairs` can be sent. What does not fit the schema is an error that names the
//! field. A proxy may have items without end: after each one the size of the message is looked at.

use std::ffi::c_int;

use super::schema::{Field, FieldKind, Layout, Schema, Type, scale};
use super::wire::{DEPTH_LIMIT, Frame, MESSAGE_LIMIT_BYTES, SMALL_LIMIT, WireFault, put_block};
use crate::vm::{Counted, Kind, Raise, Stack};

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 16;

/// Integers beyond this are no longer exact as floats; fixed-point numbers must stay below.
const DECIMAL_LIMIT: f64 = 9_223_372_036_854_774_784.0;

impl From<WireFault> for Raise {
    fn from(fault: WireFault) -> Raise {
        Raise::message(fault.to_string())
    }
}

/// Pushes the message for the table at `index` by type number `ty`.
pub(super) fn encode(
    stack: &mut Stack<'_>,
    schema: &Schema,
    ty: usize,
    index: c_int,
) -> Result<(), Raise> {
    let mut out = Vec::with_capacity(256);
    let index = stack.absolute(index);
    let mut encoder = Encoder { schema, depth: 0, room: Counted::new(stack) };
    encoder.structure(stack, &mut out, &schema.types[ty], index)?;
    stack.push_bytes(&out);
    Ok(())
}

struct Encoder<'s, 'vm> {
    schema: &'s Schema,
    depth: usize,
    /// The capacity of what is written to.
    room: Counted<'vm>,
}

impl<'s> Encoder<'s, '_> {
    fn structure(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        ty: &'s Type,
        table: c_int,
    ) -> Result<(), Raise> {
        self.enter(stack)?;
        let mut frame = Frame::begin(out, ty.records_max);
        let top = stack.top();
        for field in &ty.fields {
            if stack.get_field(table, &field.name)? != Kind::Nil {
                self.field(stack, out, &mut frame, field)?;
            }
            stack.set_top(top);
        }
        self.count(stack, out)?;
        frame.finish(out);
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        if self.depth == DEPTH_LIMIT {
            return Err(WireFault::Depth.into());
        }
        self.depth += 1;
        stack.check_depth()?;
        stack.reserve(SLOTS_PER_LEVEL)
    }

    /// Counts what the message has grown by, and refuses one that grows too large.
    #[inline]
    fn count(&mut self, stack: &mut Stack<'_>, out: &Vec<u8>) -> Result<(), Raise> {
        if out.capacity() == self.room.bytes() { Ok(()) } else { self.count_growth(stack, out) }
    }

    #[cold]
    fn count_growth(&mut self, stack: &mut Stack<'_>, out: &Vec<u8>) -> Result<(), Raise> {
        if out.len() > MESSAGE_LIMIT_BYTES {
            return Err(WireFault::Size.into());
        }
        self.room.set(stack, out.capacity())
    }

    /// Writes the value on top of the stack as `field`.
    fn field(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        frame: &mut Frame,
        field: &'s Field,
    ) -> Result<(), Raise> {
        if let Some(value) = self.small(stack, field)? {
            frame.small(out, field.tag, value);
            return Ok(());
        }
        put_block(out, |out| match field.layout {
            Layout::Single => self.value(stack, out, field),
            Layout::List => self.list(stack, out, field),
            Layout::Keyed(_) | Layout::Map(_) => self.entries(stack, out, field),
        })?;
        frame.data(out, field.tag);
        Ok(())
    }

    /// The value on top if it goes into the record itself.
    fn small(&self, stack: &Stack<'_>, field: &Field) -> Result<Option<u16>, Raise> {
        if field.layout != Layout::Single {
            return Ok(None);
        }
        let number = match field.kind {
            FieldKind::Integer | FieldKind::Decimal(_) => number(stack, field)?,
            FieldKind::Boolean => boolean(stack, field)?.into(),
            _ => return Ok(None),
        };
        Ok(u16::try_from(number).ok().filter(|&number| number < SMALL_LIMIT))
    }

    /// Writes the bytes of the value on top.
    fn value(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        field: &'s Field,
    ) -> Result<(), Raise> {
        match field.kind {
            FieldKind::Integer | FieldKind::Decimal(_) => {
                let number = number(stack, field)?;
                match i32::try_from(number) {
                    Ok(number) => out.extend_from_slice(&number.to_le_bytes()),
                    Err(_) => out.extend_from_slice(&number.to_le_bytes()),
                }
            }
            FieldKind::Boolean => out.push(boolean(stack, field)?.into()),
            FieldKind::Double => out.extend_from_slice(&double(stack, field)?.to_le_bytes()),
            FieldKind::String | FieldKind::Binary => string(stack, out, field)?,
            FieldKind::Struct(index) => {
                if !matches!(stack.kind(-1), Kind::Table | Kind::Userdata) {
                    return Err(mismatch(stack, field, "is not a table"));
                }
                self.structure(stack, out, &self.schema.types[index], stack.top())?;
            }
        }
        Ok(())
    }

    /// Writes the list on top, up to its first nil.
    fn list(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        field: &'s Field,
    ) -> Result<(), Raise> {
        let list = check_list(stack, field)?;
        if matches!(field.kind, FieldKind::Integer | FieldKind::Decimal(_)) {
            return self.integers(stack, out, field, list);
        }
        let in_blocks = is_in_blocks(field.kind);
        if field.kind == FieldKind::Double {
            out.push(size_of::<f64>() as u8);
        }
        let start = out.len();
        let mut position = 1;
        while stack.get_item(list, position)? != Kind::Nil {
            if in_blocks {
                put_block(out, |out| self.value(stack, out, field))?;
            } else {
                self.value(stack, out, field)?;
            }
            self.count(stack, out)?;
            stack.set_top(list);
            position += 1;
        }
        if field.kind == FieldKind::Double && out.len() == start {
            out.pop();
        }
        Ok(())
    }

    /// A list of integers: four bytes each if all of them fit, otherwise eight.
    fn integers(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        field: &Field,
        list: c_int,
    ) -> Result<(), Raise> {
        let (size_place, mut is_wide, mut position) = (out.len(), false, 1);
        out.push(size_of::<i32>() as u8);
        while stack.get_item(list, position)? != Kind::Nil {
            let number = number(stack, field)?;
            if !is_wide && i32::try_from(number).is_err() {
                is_wide = true;
                widen(out, size_place);
            }
            match is_wide {
                true => out.extend_from_slice(&number.to_le_bytes()),
                false => out.extend_from_slice(&(number as i32).to_le_bytes()),
            }
            self.count(stack, out)?;
            stack.set_top(list);
            position += 1;
        }
        if position == 1 {
            out.pop();
        }
        Ok(())
    }

    /// Writes the table on top, in the order of its traversal.
    fn entries(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        field: &'s Field,
    ) -> Result<(), Raise> {
        let table = check_list(stack, field)?;
        stack.for_each_as_scripts_see(table, |stack| {
            self.entry(stack, out, field)?;
            self.count(stack, out)
        })
    }

    /// Writes one entry: the key is below the value on top.
    fn entry(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        field: &'s Field,
    ) -> Result<(), Raise> {
        put_block(out, |out| match (field.layout, field.kind) {
            (Layout::Map(_), FieldKind::Struct(index)) => {
                self.pair(stack, out, &self.schema.types[index])
            }
            _ => self.value(stack, out, field),
        })
    }

    /// Writes key and value as a struct of two fields.
    fn pair(
        &mut self,
        stack: &mut Stack<'_>,
        out: &mut Vec<u8>,
        ty: &'s Type,
    ) -> Result<(), Raise> {
        self.enter(stack)?;
        let (key, value) = (stack.top() - 1, stack.top());
        let mut frame = Frame::begin(out, ty.records_max);
        for (field, place) in ty.fields.iter().zip([key, value]) {
            stack.push_value(place);
            self.field(stack, out, &mut frame, field)?;
            stack.set_top(value);
        }
        frame.finish(out);
        self.depth -= 1;
        Ok(())
    }
}

/// True if each item of a list has its size in front.
pub(super) fn is_in_blocks(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::String | FieldKind::Binary | FieldKind::Struct(_))
}

/// Makes eight bytes of each number of a list that begins with the size of its numbers.
fn widen(out: &mut Vec<u8>, size_place: usize) {
    const NARROW: usize = size_of::<i32>();
    const WIDE: usize = size_of::<i64>();
    let start = size_place + 1;
    let count = (out.len() - start) / NARROW;
    out[size_place] = WIDE as u8;
    out.resize(start + count * WIDE, 0);
    // From the last one on, so that none is overwritten before it was moved.
    for position in (0..count).rev() {
        let mut narrow = [0; NARROW];
        narrow.copy_from_slice(&out[start + position * NARROW..][..NARROW]);
        let wide = i64::from(i32::from_le_bytes(narrow)).to_le_bytes();
        out[start + position * WIDE..][..WIDE].copy_from_slice(&wide);
    }
}

fn number(stack: &Stack<'_>, field: &Field) -> Result<i64, Raise> {
    let FieldKind::Decimal(digits) = field.kind else {
        return stack.integer(-1).ok_or_else(|| mismatch(stack, field, "is not an integer"));
    };
    let scaled = (double(stack, field)? * scale(digits)).round();
    if scaled.abs() <= DECIMAL_LIMIT {
        return Ok(scaled as i64);
    }
    Err(Raise::message(format!("field {}: a number with {digits} digits is too large", field.name)))
}

fn double(stack: &Stack<'_>, field: &Field) -> Result<f64, Raise> {
    stack.number(-1).ok_or_else(|| mismatch(stack, field, "is not a number"))
}

fn boolean(stack: &Stack<'_>, field: &Field) -> Result<bool, Raise> {
    match stack.kind(-1) {
        Kind::Boolean => Ok(stack.truth(-1)),
        _ => Err(mismatch(stack, field, "is not a boolean")),
    }
}

fn string(stack: &mut Stack<'_>, out: &mut Vec<u8>, field: &Field) -> Result<(), Raise> {
    if let Some(bytes) = stack.bytes(-1) {
        if out.len() + bytes.len() > MESSAGE_LIMIT_BYTES {
            return Err(WireFault::Size.into());
        }
        out.extend_from_slice(bytes);
        return Ok(());
    }
    if stack.kind(-1) != Kind::Number {
        return Err(mismatch(stack, field, "is not a string"));
    }
    out.extend_from_slice(stack.text(-1).as_bytes());
    Ok(())
}

/// The index of the table (or proxy of one) on top.
fn check_list(stack: &Stack<'_>, field: &Field) -> Result<c_int, Raise> {
    match stack.kind(-1) {
        Kind::Table | Kind::Userdata => Ok(stack.top()),
        _ => Err(mismatch(stack, field, "should be a table")),
    }
}

/// Programs look for these words of skynet's in what they catch.
fn mismatch(stack: &Stack<'_>, field: &Field, wrong: &str) -> Raise {
    let (name, found) = (&field.name, stack.kind(-1).name());
    Raise::message(format!("field {name} {wrong} (Is a {found})"))
}
