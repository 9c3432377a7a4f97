//! The Lua modules `sproto.core` and `sprotoparser`, and with them `sproto` and `sprotoloader`
//! (`lua/lib`): schemas, and messages by them, compatible byte for byte with what existing clients
//! speak.
//!
//! - [`parser`] reads the schema language, [`bundle`] schemas as bytes, both into a [`schema`].
//! - [`encode`] and [`decode`] work straight on the Lua stack, over the layout in [`wire`].
//! - [`pack`] takes zeros out of messages.
//! - [`slots`] hold the schemas that all VMs share.
//!
//! A VM holds a schema and its types as userdata. Each VM has a counter of its own for them, so
//! that VMs that use one schema on different workers do not write to a common counter at each
//! message.

mod bundle;
mod decode;
mod encode;
mod pack;
mod parser;
mod schema;
mod slots;
mod wire;

use std::ffi::c_int;
use std::ops::Deref;
use std::sync::Arc;

use schema::{Field, FieldKind, Layout, Response, Schema};

use super::skynet::block;
use crate::actor::State;
use crate::message::Payload;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack, Userdata};

/// `require "sproto.core"`.
pub(super) const CORE: Native = Native::new(open_core);

/// `require "sprotoparser"`.
pub(super) const PARSER: Native = Native::new(open_parser);

/// `require "sproto"`.
pub(super) const LIBRARY: &str = include_str!("../../../lua/lib/sproto.lua");

/// `require "sprotoloader"`.
pub(super) const LOADER: &str = include_str!("../../../lua/lib/sprotoloader.lua");

/// What messages call a text without a name.
const UNNAMED: &str = "=text";

const FUNCTIONS: [(&str, Native); 12] = [
    ("decode", Native::new(decode_message)),
    ("default", Native::new(default)),
    ("deleteproto", Native::new(delete_proto)),
    ("dumpproto", Native::new(dump_proto)),
    ("encode", Native::new(encode_message)),
    ("loadproto", Native::new(load_proto)),
    ("newproto", Native::new(new_proto)),
    ("pack", Native::new(pack_message)),
    ("protocol", Native::new(protocol)),
    ("querytype", Native::new(query_type)),
    ("saveproto", Native::new(save_proto)),
    ("unpack", Native::new(unpack_message)),
];

fn open_core(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len());
    stack.set_natives(&FUNCTIONS);
    Ok(Outcome::Return(1))
}

fn open_parser(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, 1);
    stack.set_natives(&[("parse", Native::new(parse))]);
    Ok(Outcome::Return(1))
}

/// What one VM counts its users of a schema with.
struct Held {
    schema: Arc<Schema>,
    /// Memory of the VM that the schema takes; nothing if the schema is one that all VMs share.
    counted_bytes: usize,
}

impl Held {
    /// What ends to count with this user of the schema: nothing while there are others.
    fn counted_bytes(self: &Arc<Held>) -> usize {
        if Arc::strong_count(self) == 1 { self.counted_bytes } else { 0 }
    }
}

impl Deref for Held {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        &self.schema
    }
}

/// A schema in the hands of a script.
struct SchemaHandle(Arc<Held>);

impl Userdata for SchemaHandle {
    const NAME: &'static str = "sproto";

    fn counted_bytes(&self) -> usize {
        self.0.counted_bytes()
    }
}

/// One type of a schema in the hands of a script.
struct TypeHandle {
    schema: Arc<Held>,
    index: usize,
}

impl Userdata for TypeHandle {
    const NAME: &'static str = "sproto type";

    fn counted_bytes(&self) -> usize {
        self.schema.counted_bytes()
    }
}

fn schema(stack: &Stack<'_>, argument: c_int) -> Result<Arc<Held>, Raise> {
    stack.check_userdata::<SchemaHandle>(argument).map(|handle| handle.0.clone())
}

/// The type in the argument; `None` for the null pointer that stands for an answer without content.
fn check_type(stack: &Stack<'_>, argument: c_int) -> Result<Option<(Arc<Held>, usize)>, Raise> {
    if stack.light(argument) == Some(0) {
        return Ok(None);
    }
    let handle = stack.check_userdata::<TypeHandle>(argument)?;
    Ok(Some((handle.schema.clone(), handle.index)))
}

/// Pushes a schema, of which so many bytes are memory of this VM.
fn push_schema(stack: &mut Stack<'_>, schema: Arc<Schema>, counted_bytes: usize) -> NativeResult {
    stack.count_outside(counted_bytes)?;
    stack.push_userdata(SchemaHandle(Arc::new(Held { schema, counted_bytes })));
    Ok(Outcome::Return(1))
}

/// `parse(text [, name])`: the schema as bytes. Comments may be in any encoding; all the rest is
/// ASCII.
fn parse(stack: &mut Stack<'_>) -> NativeResult {
    let text = String::from_utf8_lossy(stack.check_bytes(1)?);
    let file = String::from_utf8_lossy(stack.optional_bytes(2)?.unwrap_or(UNNAMED.as_bytes()));
    let schema = parser::parse(&text, &file).map_err(|error| Raise::message(error.to_string()))?;
    let bytes = bundle::write(&schema)?;
    stack.push_bytes(&bytes);
    Ok(Outcome::Return(1))
}

/// `newproto(bytes)`: the schema, or nil and why these bytes are none.
fn new_proto(stack: &mut Stack<'_>) -> NativeResult {
    match bundle::read(stack.check_bytes(1)?) {
        Ok(schema) => {
            let bytes = schema.held_bytes();
            push_schema(stack, Arc::new(schema), bytes)
        }
        Err(fault) => {
            stack.push_nil();
            stack.push_str(&format!("these bytes are no schema: {fault}"));
            Ok(Outcome::Return(2))
        }
    }
}

/// `deleteproto(schema)`: lets go of it early; types that were queried stay usable.
fn delete_proto(stack: &mut Stack<'_>) -> NativeResult {
    stack.take_userdata::<SchemaHandle>(1);
    Ok(Outcome::Return(0))
}

fn check_slot(stack: &Stack<'_>, argument: c_int) -> Result<usize, Raise> {
    let number = stack.optional_integer(argument)?.unwrap_or(0);
    usize::try_from(number).ok().filter(|&slot| slot < slots::SLOTS).ok_or_else(|| {
        Raise::argument(argument, format!("slots are numbered 0 to {}", slots::SLOTS - 1))
    })
}

/// `saveproto(schema [, slot])`
fn save_proto(stack: &mut Stack<'_>) -> NativeResult {
    let slot = check_slot(stack, 2)?;
    slots::save(slot, schema(stack, 1)?.schema.clone());
    Ok(Outcome::Return(0))
}

/// `loadproto([slot])`
fn load_proto(stack: &mut Stack<'_>) -> NativeResult {
    let slot = check_slot(stack, 1)?;
    let schema = slots::load(slot).ok_or_else(|| {
        Raise::message(format!("slot {slot} holds no schema\nhint: sprotoloader.save fills it"))
    })?;
    push_schema(stack, schema, 0)
}

/// `querytype(schema, name)`: the type, or nil.
fn query_type(stack: &mut Stack<'_>) -> NativeResult {
    let schema = schema(stack, 1)?;
    match schema.type_index(stack.check_str(2)?) {
        Some(index) => stack.push_userdata(TypeHandle { schema, index }),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `protocol(schema, name or tag)`: its tag or name, and the types of request and response; nil if
/// there is none.
fn protocol(stack: &mut Stack<'_>) -> NativeResult {
    let schema = schema(stack, 1)?;
    let by_tag = stack.kind(2) == Kind::Number;
    let found = if by_tag {
        u32::try_from(stack.check_integer(2)?).ok().and_then(|tag| schema.protocol_by_tag(tag))
    } else {
        schema.protocol(stack.check_str(2)?)
    };
    let Some(found) = found else {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    };
    if by_tag {
        stack.push_str(&found.name);
    } else {
        stack.push_integer(found.tag.into());
    }
    push_optional_type(stack, &schema, found.request);
    match found.response {
        Response::None => stack.push_nil(),
        Response::Empty => stack.push_light(0),
        Response::Struct(index) => push_optional_type(stack, &schema, Some(index)),
    }
    Ok(Outcome::Return(3))
}

fn push_optional_type(stack: &mut Stack<'_>, schema: &Arc<Held>, index: Option<usize>) {
    match index {
        Some(index) => stack.push_userdata(TypeHandle { schema: schema.clone(), index }),
        None => stack.push_nil(),
    }
}

/// `encode(type, table)`: the message.
fn encode_message(stack: &mut Stack<'_>) -> NativeResult {
    let Some((schema, index)) = check_type(stack, 1)? else {
        stack.push_str("");
        return Ok(Outcome::Return(1));
    };
    if stack.kind(2) != Kind::Userdata {
        stack.check_kind(2, Kind::Table)?;
    }
    encode::encode(stack, &schema, index, 2)?;
    Ok(Outcome::Return(1))
}

/// The bytes of a message: a string, or a message pointer and its size.
fn check_message(stack: &Stack<'_>, argument: c_int) -> Result<Payload, Raise> {
    match stack.bytes(argument) {
        Some(bytes) => Ok(bytes.into()),
        None => block::peek(stack, State::of(stack)?, argument),
    }
}

/// `decode(type, message [, table])`: the table, filled, and how many bytes it took. The message
/// may be a pointer and its size as well, here and wherever messages are read.
fn decode_message(stack: &mut Stack<'_>) -> NativeResult {
    let Some((schema, index)) = check_type(stack, 1)? else { return Ok(Outcome::Return(0)) };
    let message = check_message(stack, 2)?;
    if stack.top() < 3 || stack.kind(-1) != Kind::Table {
        stack.push_table(0, schema.types[index].fields.len());
    }
    let table = stack.top();
    let size = decode::decode(stack, &schema, index, &message.to_bytes(), table)?;
    stack.set_top(table);
    stack.push_integer(size as i64);
    Ok(Outcome::Return(2))
}

/// `pack(message)`
fn pack_message(stack: &mut Stack<'_>) -> NativeResult {
    let packed = pack::pack(&check_message(stack, 1)?.to_bytes());
    stack.push_bytes(&packed);
    Ok(Outcome::Return(1))
}

/// `unpack(packed)`: the message, with up to seven zeros behind it.
fn unpack_message(stack: &mut Stack<'_>) -> NativeResult {
    let message = pack::unpack(&check_message(stack, 1)?.to_bytes())
        .map_err(|fault| Raise::argument(1, format!("Invalid unpack stream: {fault}")))?;
    stack.push_bytes(&message);
    Ok(Outcome::Return(1))
}

/// `default(type)`: a table with zero, false or an empty string in each plain field; structs have
/// their type's name in `__type`, lists and maps what one item is in `__array`.
fn default(stack: &mut Stack<'_>) -> NativeResult {
    let Some((schema, index)) = check_type(stack, 1)? else {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    };
    let fields = &schema.types[index].fields;
    stack.push_table(0, fields.len());
    for field in fields {
        push_default(stack, &schema, field);
        stack.raw_set_field(-2, &field.name);
    }
    Ok(Outcome::Return(1))
}

fn push_default(stack: &mut Stack<'_>, schema: &Schema, field: &Field) {
    let marked_by = match (field.layout, field.kind) {
        (Layout::Single, FieldKind::Struct(_)) => Some("__type"),
        (Layout::Single, _) => None,
        _ => Some("__array"),
    };
    if marked_by.is_some() {
        stack.push_table(0, 1);
    }
    match field.kind {
        FieldKind::Integer => stack.push_integer(0),
        FieldKind::Decimal(_) | FieldKind::Double => stack.push_number(0.0),
        FieldKind::Boolean => stack.push_bool(false),
        FieldKind::String | FieldKind::Binary => stack.push_str(""),
        FieldKind::Struct(index) => stack.push_str(&schema.types[index].name),
    }
    if let Some(mark) = marked_by {
        stack.raw_set_field(-2, mark);
    }
}

/// `dumpproto(schema)`: prints types and protocols, for people.
fn dump_proto(stack: &mut Stack<'_>) -> NativeResult {
    let schema = schema(stack, 1)?;
    let mut text = format!("{} types", schema.types.len());
    for ty in &schema.types {
        text += &format!("\n.{}", ty.name);
        for field in &ty.fields {
            let kind = match field.kind {
                FieldKind::Struct(index) => &schema.types[index].name,
                kind => kind.name(),
            };
            let list = if field.layout == Layout::Single { "" } else { "*" };
            text += &format!("\n  {} {} : {list}{kind}", field.name, field.tag);
        }
    }
    text += &format!("\n{} protocols", schema.protocols.len());
    for protocol in &schema.protocols {
        text += &format!("\n{} {}", protocol.name, protocol.tag);
    }
    text.push('\n');
    crate::vm::write_line(text.as_bytes());
    Ok(Outcome::Return(0))
}

#[cfg(test)]
mod tests;
