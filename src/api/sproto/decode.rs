//! From messages to Lua tables, straight onto the stack. Any bytes are decoded or refused.
//!
//! Fields that the schema does not know are passed over, so that newer peers can talk to older
//! ones.

use std::ffi::c_int;

use super::encode::is_in_blocks;
use super::schema::{Field, FieldKind, Layout, Schema, Type, scale};
use super::wire::{DEPTH_LIMIT, Fields, Slot, WireFault, take_block};
use crate::vm::{Kind, Raise, Stack};

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 12;

/// Items for which a list has room from the beginning.
const ROOM_AT_ONCE: usize = 1 << 16;

/// Fills the table at `index` from a message of type number `ty`; returns how many bytes it took.
pub(super) fn decode(
    stack: &mut Stack<'_>,
    schema: &Schema,
    ty: usize,
    message: &[u8],
    index: c_int,
) -> Result<usize, Raise> {
    let (ty, index) = (&schema.types[ty], stack.absolute(index));
    let rest = Decoder { schema, depth: 0 }.structure(stack, ty, message, index);
    let rest = rest.map_err(|failure| match failure {
        Failure::Wire(fault) => {
            Raise::message(format!("decode error in a message of type {}: {fault}", ty.name))
        }
        Failure::Raise(raise) => raise,
    })?;
    Ok(message.len() - rest)
}

enum Failure {
    Wire(WireFault),
    Raise(Raise),
}

impl From<WireFault> for Failure {
    fn from(fault: WireFault) -> Failure {
        Failure::Wire(fault)
    }
}

type Decoded<T> = Result<T, Failure>;

struct Decoder<'s> {
    schema: &'s Schema,
    depth: usize,
}

impl<'s> Decoder<'s> {
    /// Fills the table at `table`; returns how many bytes were left over.
    fn structure(
        &mut self,
        stack: &mut Stack<'_>,
        ty: &'s Type,
        bytes: &[u8],
        table: c_int,
    ) -> Decoded<usize> {
        if self.depth == DEPTH_LIMIT {
            return Err(WireFault::Depth.into());
        }
        self.depth += 1;
        stack.reserve(SLOTS_PER_LEVEL).map_err(Failure::Raise)?;
        // A few bytes become a table.
        stack.check_memory().map_err(Failure::Raise)?;
        let mut fields = Fields::new(bytes)?;
        while let Some((tag, slot)) = fields.next()? {
            if let Some(field) = ty.field(tag) {
                self.field(stack, field, slot)?;
                stack.raw_set_field(table, &field.name);
            }
        }
        self.depth -= 1;
        Ok(fields.behind().len())
    }

    /// Pushes what a field holds.
    fn field(&mut self, stack: &mut Stack<'_>, field: &'s Field, slot: Slot<'_>) -> Decoded<()> {
        match (slot, field.layout, field.kind) {
            (Slot::Small(value), Layout::Single, FieldKind::Boolean) => stack.push_bool(value != 0),
            (Slot::Small(value), Layout::Single, FieldKind::Integer | FieldKind::Decimal(_)) => {
                push_number(stack, field.kind, value.into());
            }
            (Slot::Small(_), ..) | (Slot::Data(_), Layout::Single, FieldKind::Boolean) => {
                return Err(WireFault::Mismatch.into());
            }
            (Slot::Data(bytes), Layout::Single, _) => self.value(stack, field.kind, bytes)?,
            (Slot::Data(bytes), Layout::List, _) => self.list(stack, field.kind, bytes)?,
            (Slot::Data(bytes), Layout::Keyed(key), FieldKind::Struct(index)) => {
                let ty = &self.schema.types[index];
                self.keyed(stack, ty, ty.field(key), bytes)?;
            }
            (Slot::Data(bytes), Layout::Map(_), FieldKind::Struct(index)) => {
                self.map(stack, &self.schema.types[index], bytes)?;
            }
            (Slot::Data(_), ..) => return Err(WireFault::Mismatch.into()),
        }
        Ok(())
    }

    /// Pushes one value from its bytes.
    fn value(&mut self, stack: &mut Stack<'_>, kind: FieldKind, bytes: &[u8]) -> Decoded<()> {
        match kind {
            FieldKind::Integer | FieldKind::Decimal(_) => {
                push_number(stack, kind, read_integer(bytes)?);
            }
            FieldKind::Double => stack.push_number(read_double(bytes)?),
            FieldKind::Boolean => stack.push_bool(bytes.first().is_some_and(|&byte| byte != 0)),
            FieldKind::String | FieldKind::Binary => stack.push_bytes(bytes),
            FieldKind::Struct(index) => {
                stack.push_table(0, 0);
                let table = stack.top();
                self.whole(stack, &self.schema.types[index], bytes, table)?;
            }
        }
        Ok(())
    }

    /// A struct that takes all its bytes.
    fn whole(
        &mut self,
        stack: &mut Stack<'_>,
        ty: &'s Type,
        bytes: &[u8],
        table: c_int,
    ) -> Decoded<()> {
        match self.structure(stack, ty, bytes, table)? {
            0 => Ok(()),
            _ => Err(WireFault::Mismatch.into()),
        }
    }

    fn list(&mut self, stack: &mut Stack<'_>, kind: FieldKind, bytes: &[u8]) -> Decoded<()> {
        if is_in_blocks(kind) {
            stack.push_table(0, 0);
            let mut rest = bytes;
            for position in 1.. {
                if rest.is_empty() {
                    break;
                }
                self.value(stack, kind, take_block(&mut rest)?)?;
                stack.raw_set_item(-2, position);
                stack.check_memory().map_err(Failure::Raise)?;
            }
            return Ok(());
        }
        let (size, items) = match (kind, bytes.split_first()) {
            (FieldKind::Boolean, _) | (_, None) => (1, bytes),
            (_, Some((&size, items))) => (usize::from(size), items),
        };
        if !matches!((kind, size), (FieldKind::Boolean, 1) | (_, 4 | 8)) && !items.is_empty() {
            return Err(WireFault::NumberSize(size).into());
        }
        if !items.len().is_multiple_of(size.max(1)) {
            return Err(WireFault::Truncated.into());
        }
        stack.push_table((items.len() / size.max(1)).min(ROOM_AT_ONCE), 0);
        for (position, item) in (1..).zip(items.chunks(size.max(1))) {
            self.value(stack, kind, item)?;
            stack.raw_set_item(-2, position);
            stack.check_memory().map_err(Failure::Raise)?;
        }
        Ok(())
    }

    /// Structs by the value of their field `key`.
    fn keyed(
        &mut self,
        stack: &mut Stack<'_>,
        ty: &'s Type,
        key: Option<&Field>,
        bytes: &[u8],
    ) -> Decoded<()> {
        let key = key.ok_or(WireFault::Mismatch)?;
        stack.push_table(0, 0);
        let (result, mut rest) = (stack.top(), bytes);
        while !rest.is_empty() {
            stack.push_table(0, 0);
            let table = stack.top();
            self.whole(stack, ty, take_block(&mut rest)?, table)?;
            stack.raw_get_field(table, &key.name);
            check_key(stack, -1)?;
            stack.insert(-2);
            stack.raw_set(result);
        }
        Ok(())
    }

    /// Values by their keys, which travel as structs of both.
    fn map(&mut self, stack: &mut Stack<'_>, ty: &'s Type, bytes: &[u8]) -> Decoded<()> {
        let [key, value] = ty.fields.as_slice() else { return Err(WireFault::Mismatch.into()) };
        stack.push_table(0, 0);
        let (result, mut rest) = (stack.top(), bytes);
        while !rest.is_empty() {
            stack.push_table(0, 2);
            let pair = stack.top();
            self.whole(stack, ty, take_block(&mut rest)?, pair)?;
            stack.raw_get_field(pair, &key.name);
            check_key(stack, -1)?;
            if stack.raw_get_field(pair, &value.name) == Kind::Nil {
                return Err(WireFault::Entry.into());
            }
            stack.raw_set(result);
            stack.set_top(result);
        }
        Ok(())
    }
}

/// A key can be anything but nil and NaN.
fn check_key(stack: &Stack<'_>, index: c_int) -> Decoded<()> {
    let is_key = match stack.kind(index) {
        Kind::Nil => false,
        Kind::Number => stack.number(index).is_some_and(|number| !number.is_nan()),
        _ => true,
    };
    if is_key { Ok(()) } else { Err(WireFault::Entry.into()) }
}

fn push_number(stack: &mut Stack<'_>, kind: FieldKind, number: i64) {
    match kind {
        FieldKind::Decimal(digits) => stack.push_number(number as f64 / scale(digits)),
        _ => stack.push_integer(number),
    }
}

fn read_integer(bytes: &[u8]) -> Result<i64, WireFault> {
    if let Ok(bytes) = bytes.try_into() {
        return Ok(i32::from_le_bytes(bytes).into());
    }
    let bytes = bytes.try_into().map_err(|_| WireFault::NumberSize(bytes.len()))?;
    Ok(i64::from_le_bytes(bytes))
}

fn read_double(bytes: &[u8]) -> Result<f64, WireFault> {
    let bytes = bytes.try_into().map_err(|_| WireFault::NumberSize(bytes.len()))?;
    Ok(f64::from_le_bytes(bytes))
}
