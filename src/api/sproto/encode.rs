//! From Lua tables to messages, straight from the stack.
//!
//! A field that is nil is left out. Tables are read as scripts see them, so that proxies with
//! `__index` or `__pairs` can be sent. What does not fit the schema is an error that names the field.

use std::ffi::c_int;

use super::schema::{Field, FieldKind, Layout, Schema, Type, scale};
use super::wire::{DEPTH_LIMIT, Frame, SMALL_LIMIT, WireFault, put_block};
use crate::vm::{Kind, Raise, Stack};

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 16;

/// Integers beyond this are no longer exact as floats; fixed-point numbers must stay below.
const DECIMAL_LIMIT: f64 = 9_223_372_036_854_774_784.0;

impl From<WireFault> for Raise {
    fn from(fault: WireFault) -> Raise {
        Raise::message(fault.to_string())
    }
}

/// The message for the table at `index` by type number `ty`.
pub(super) fn encode(
    stack: &mut Stack<'_>,
    schema: &Schema,
    ty: usize,
    index: c_int,
) -> Result<Vec<u8>, Raise> {
    let mut out = Vec::with_capacity(256);
    let index = stack.absolute(index);
    Encoder { schema, depth: 0 }.structure(stack, &mut out, &schema.types[ty], index)?;
    Ok(out)
}

struct Encoder<'s> {
    schema: &'s Schema,
    depth: usize,
}

impl<'s> Encoder<'s> {
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
        frame.finish(out);
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        if self.depth == DEPTH_LIMIT {
            return Err(WireFault::Depth.into());
        }
        self.depth += 1;
        stack.reserve(SLOTS_PER_LEVEL)
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
                    return Err(mismatch(stack, field, "table"));
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
            return integers(stack, out, field, list);
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
            stack.set_top(list);
            position += 1;
        }
        if field.kind == FieldKind::Double && out.len() == start {
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
        if !push_pairs(stack, table)? {
            return stack.for_each(table, |stack| self.entry(stack, out, field));
        }
        // The iterator, its state and its control value are on top of the table.
        loop {
            for part in 1..=3 {
                stack.push_value(table + part);
            }
            stack.call_or_raise(2, 2)?;
            if stack.kind(-2) == Kind::Nil {
                return Ok(());
            }
            stack.push_value(-2);
            stack.replace(table + 3);
            self.entry(stack, out, field)?;
            stack.set_top(table + 3);
        }
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

/// A list of integers: four bytes each if all of them fit, otherwise eight.
fn integers(
    stack: &mut Stack<'_>,
    out: &mut Vec<u8>,
    field: &Field,
    list: c_int,
) -> Result<(), Raise> {
    let mut numbers = Vec::new();
    while stack.get_item(list, numbers.len() as i64 + 1)? != Kind::Nil {
        numbers.push(number(stack, field)?);
        stack.set_top(list);
    }
    let narrow: Result<Vec<i32>, _> = numbers.iter().map(|&number| number.try_into()).collect();
    match narrow {
        _ if numbers.is_empty() => {}
        Ok(numbers) => {
            out.push(size_of::<i32>() as u8);
            out.extend(numbers.into_iter().flat_map(i32::to_le_bytes));
        }
        Err(_) => {
            out.push(size_of::<i64>() as u8);
            out.extend(numbers.into_iter().flat_map(i64::to_le_bytes));
        }
    }
    Ok(())
}

fn number(stack: &Stack<'_>, field: &Field) -> Result<i64, Raise> {
    let FieldKind::Decimal(digits) = field.kind else {
        return stack.integer(-1).ok_or_else(|| mismatch(stack, field, "integer"));
    };
    let scaled = (double(stack, field)? * scale(digits)).round();
    if scaled.abs() <= DECIMAL_LIMIT {
        return Ok(scaled as i64);
    }
    Err(Raise::message(format!("field {}: a number with {digits} digits is too large", field.name)))
}

fn double(stack: &Stack<'_>, field: &Field) -> Result<f64, Raise> {
    stack.number(-1).ok_or_else(|| mismatch(stack, field, "number"))
}

fn boolean(stack: &Stack<'_>, field: &Field) -> Result<bool, Raise> {
    match stack.kind(-1) {
        Kind::Boolean => Ok(stack.truth(-1)),
        _ => Err(mismatch(stack, field, "boolean")),
    }
}

fn string(stack: &mut Stack<'_>, out: &mut Vec<u8>, field: &Field) -> Result<(), Raise> {
    if let Some(bytes) = stack.bytes(-1) {
        out.extend_from_slice(bytes);
        return Ok(());
    }
    if stack.kind(-1) != Kind::Number {
        return Err(mismatch(stack, field, "string"));
    }
    out.extend_from_slice(stack.text(-1).as_bytes());
    Ok(())
}

/// The index of the table (or proxy of one) on top.
fn check_list(stack: &Stack<'_>, field: &Field) -> Result<c_int, Raise> {
    match stack.kind(-1) {
        Kind::Table | Kind::Userdata => Ok(stack.top()),
        _ => Err(mismatch(stack, field, "table")),
    }
}

/// Calls `__pairs` of the value at `table`, the top, and leaves its three results; pushes nothing
/// and is false if there is none.
fn push_pairs(stack: &mut Stack<'_>, table: c_int) -> Result<bool, Raise> {
    let found = stack.push_metatable(table) && stack.raw_get_field(-1, "__pairs") != Kind::Nil;
    if found {
        stack.remove(-2);
        stack.push_value(table);
        stack.call_or_raise(1, 3)?;
        return Ok(true);
    }
    stack.set_top(table);
    match stack.kind(table) {
        Kind::Table => Ok(false),
        _ => Err(Raise::message("a userdata without __pairs cannot be sent as a map")),
    }
}

fn mismatch(stack: &Stack<'_>, field: &Field, expected: &str) -> Raise {
    let (name, found) = (&field.name, stack.kind(-1).name());
    let expected = if expected == "table" && field.layout == Layout::Single {
        field.kind.name()
    } else {
        expected
    };
    Raise::message(format!("field {name}: {expected} expected, got {found}"))
}
