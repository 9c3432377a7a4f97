//! A schema as bytes: what the parser gives, files keep, and other programs (clients in C, C#,
//! JavaScript) load. The format describes itself in the schema language:
//!
//! ```text
//! .group {    type 0 : *type       protocol 1 : *protocol }
//! .type {     name 0 : string      fields 1 : *field }
//! .field {    name 0 : string      builtin 1 : integer   type 2 : integer   tag 3 : integer
//!             array 4 : boolean    key 5 : integer       map 6 : boolean }
//! .protocol { name 0 : string      tag 1 : integer       request 2 : integer
//!             response 3 : integer confirm 4 : boolean }
//! ```
//!
//! `type` is an index into the types; beside `builtin` it holds the digits of a fixed-point number,
//! or 1 for binary strings.

use super::schema::{Field, FieldKind, Layout, Protocol, Response, Schema, SchemaFault, Type};
use super::wire::{Fields, Frame, Slot, WireFault, put_block, put_bytes, take_block};

const INTEGER: u16 = 0;
const BOOLEAN: u16 = 1;
const STRING: u16 = 2;
const DOUBLE: u16 = 3;

/// Why bytes are no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum BundleFault {
    #[error(transparent)]
    Wire(#[from] WireFault),
    #[error(transparent)]
    Schema(#[from] SchemaFault),
    #[error("a {0} has no {1}")]
    Missing(&'static str, &'static str),
    #[error("a {0} has a field with the unknown tag {1}")]
    Unknown(&'static str, u32),
    #[error("a name is not UTF-8")]
    Name,
    #[error("there is no built-in type {0}")]
    BuiltIn(u16),
}

/// Reads a schema.
pub(super) fn read(bytes: &[u8]) -> Result<Schema, BundleFault> {
    let (mut types, mut protocols) = (Vec::new(), Vec::new());
    let mut fields = Fields::new(bytes)?;
    while let Some(field) = fields.next()? {
        match field {
            (0, Slot::Data(data)) => types = read_list(data, read_type)?,
            (1, Slot::Data(data)) => protocols = read_list(data, read_protocol)?,
            (tag, _) => return Err(BundleFault::Unknown("schema", tag)),
        }
    }
    Ok(Schema::new(types, protocols)?)
}

fn read_list<T>(
    mut data: &[u8],
    read: impl Fn(&[u8]) -> Result<T, BundleFault>,
) -> Result<Vec<T>, BundleFault> {
    let mut items = Vec::new();
    while !data.is_empty() {
        items.push(read(take_block(&mut data)?)?);
    }
    Ok(items)
}

fn read_name(bytes: &[u8]) -> Result<String, BundleFault> {
    String::from_utf8(bytes.to_vec()).map_err(|_| BundleFault::Name)
}

fn read_type(bytes: &[u8]) -> Result<Type, BundleFault> {
    let (mut name, mut list) = (None, Vec::new());
    let mut fields = Fields::new(bytes)?;
    while let Some(field) = fields.next()? {
        match field {
            (0, Slot::Data(data)) => name = Some(read_name(data)?),
            (1, Slot::Data(data)) => list = read_list(data, read_field)?,
            (tag, _) => return Err(BundleFault::Unknown("type", tag)),
        }
    }
    Ok(Type::new(name.ok_or(BundleFault::Missing("type", "name"))?, list))
}

fn read_field(bytes: &[u8]) -> Result<Field, BundleFault> {
    let mut name = None;
    let mut numbers = [None; 7];
    let mut fields = Fields::new(bytes)?;
    while let Some(field) = fields.next()? {
        match field {
            (0, Slot::Data(data)) => name = Some(read_name(data)?),
            (tag @ 1..=6, Slot::Small(value)) => numbers[tag as usize] = Some(value),
            (tag, _) => return Err(BundleFault::Unknown("field", tag)),
        }
    }
    let [_, built_in, ty, tag, array, key, map] = numbers;
    let is_set = |flag: Option<u16>| flag.is_some_and(|value| value != 0);
    Ok(Field {
        name: name.ok_or(BundleFault::Missing("field", "name"))?,
        tag: tag.ok_or(BundleFault::Missing("field", "tag"))?.into(),
        kind: read_kind(built_in, ty)?,
        layout: match key {
            _ if !is_set(array) => Layout::Single,
            None => Layout::List,
            Some(key) if is_set(map) => Layout::Map(key.into()),
            Some(key) => Layout::Keyed(key.into()),
        },
    })
}

fn read_kind(built_in: Option<u16>, ty: Option<u16>) -> Result<FieldKind, BundleFault> {
    Ok(match (built_in, ty) {
        (None, Some(index)) => FieldKind::Struct(index.into()),
        (None, None) => return Err(BundleFault::Missing("field", "type")),
        (Some(INTEGER), Some(digits)) => FieldKind::Decimal(digits.into()),
        (Some(INTEGER), None) => FieldKind::Integer,
        (Some(BOOLEAN), _) => FieldKind::Boolean,
        (Some(STRING), Some(1)) => FieldKind::Binary,
        (Some(STRING), _) => FieldKind::String,
        (Some(DOUBLE), _) => FieldKind::Double,
        (Some(other), _) => return Err(BundleFault::BuiltIn(other)),
    })
}

fn read_protocol(bytes: &[u8]) -> Result<Protocol, BundleFault> {
    let mut name = None;
    let mut numbers = [None; 5];
    let mut fields = Fields::new(bytes)?;
    while let Some(field) = fields.next()? {
        match field {
            (0, Slot::Data(data)) => name = Some(read_name(data)?),
            (tag @ 1..=4, Slot::Small(value)) => numbers[tag as usize] = Some(value),
            (tag, _) => return Err(BundleFault::Unknown("protocol", tag)),
        }
    }
    let [_, tag, request, response, confirm] = numbers;
    Ok(Protocol {
        name: name.ok_or(BundleFault::Missing("protocol", "name"))?,
        tag: tag.ok_or(BundleFault::Missing("protocol", "tag"))?.into(),
        request: request.map(usize::from),
        response: match (response, confirm) {
            (Some(index), _) => Response::Struct(index.into()),
            (None, Some(1)) => Response::Empty,
            (None, _) => Response::None,
        },
    })
}

/// Writes a schema, byte for byte as the original parser does.
pub(super) fn write(schema: &Schema) -> Result<Vec<u8>, WireFault> {
    let mut out = Vec::new();
    let mut frame = Frame::begin(&mut out, 2);
    if !schema.types.is_empty() {
        write_list(&mut out, &schema.types, write_type)?;
        frame.data(&mut out, 0);
    }
    if !schema.protocols.is_empty() {
        write_list(&mut out, &schema.protocols, write_protocol)?;
        frame.data(&mut out, 1);
    }
    frame.finish(&mut out);
    Ok(out)
}

fn write_list<T>(
    out: &mut Vec<u8>,
    items: &[T],
    write: fn(&mut Vec<u8>, &T) -> Result<(), WireFault>,
) -> Result<(), WireFault> {
    put_block(out, |out| items.iter().try_for_each(|item| put_block(out, |out| write(out, item))))
}

fn write_type(out: &mut Vec<u8>, ty: &Type) -> Result<(), WireFault> {
    let mut frame = Frame::begin(out, 2);
    put_bytes(out, ty.name.as_bytes())?;
    frame.data(out, 0);
    if !ty.fields.is_empty() {
        write_list(out, &ty.fields, write_field)?;
        frame.data(out, 1);
    }
    frame.finish(out);
    Ok(())
}

fn write_field(out: &mut Vec<u8>, field: &Field) -> Result<(), WireFault> {
    let mut frame = Frame::begin(out, 7);
    put_bytes(out, field.name.as_bytes())?;
    frame.data(out, 0);
    let (built_in, ty) = match field.kind {
        FieldKind::Integer => (Some(INTEGER), None),
        FieldKind::Decimal(digits) => (Some(INTEGER), Some(digits as u16)),
        FieldKind::Boolean => (Some(BOOLEAN), None),
        FieldKind::String => (Some(STRING), None),
        FieldKind::Binary => (Some(STRING), Some(1)),
        FieldKind::Double => (Some(DOUBLE), None),
        FieldKind::Struct(index) => (None, Some(index as u16)),
    };
    let (array, key, map) = match field.layout {
        Layout::Single => (None, None, None),
        Layout::List => (Some(1), None, None),
        Layout::Keyed(tag) => (Some(1), Some(tag as u16), None),
        Layout::Map(tag) => (Some(1), Some(tag as u16), Some(1)),
    };
    let numbers = [built_in, ty, Some(field.tag as u16), array, key, map];
    for (tag, number) in (1..).zip(numbers) {
        if let Some(number) = number {
            frame.small(out, tag, number);
        }
    }
    frame.finish(out);
    Ok(())
}

/// Left-out fields have a record each: older readers count records instead of tags here.
fn write_protocol(out: &mut Vec<u8>, protocol: &Protocol) -> Result<(), WireFault> {
    let mut frame = Frame::begin(out, 5);
    put_bytes(out, protocol.name.as_bytes())?;
    frame.data(out, 0);
    frame.small(out, 1, protocol.tag as u16);
    let request = protocol.request.map(|index| index as u16);
    let (response, confirm) = match protocol.response {
        Response::None => (None, None),
        Response::Empty => (None, Some(1)),
        Response::Struct(index) => (Some(index as u16), None),
    };
    let numbers = [request, response, confirm];
    let count = numbers.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for (tag, number) in (2..).zip(&numbers[..count]) {
        match number {
            Some(number) => frame.small(out, tag, *number),
            None => frame.skip(out),
        }
    }
    frame.finish(out);
    Ok(())
}
