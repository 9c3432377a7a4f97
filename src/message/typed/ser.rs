//! Rust values into payload bytes.

use std::fmt;

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::HANDLE_NAME;
use super::key::KeySerializer;
use crate::message::fault::{Cause, Fault};
use crate::message::format::{OpenTable, Shape};
use crate::message::path::Step;
use crate::message::scratch::Scratch;
use crate::message::{Handle, MAX_DEPTH, MAX_PAYLOAD_BYTES};

pub(super) type Written = Result<(), Box<Fault>>;

/// Writes `value` as a list of values.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, scratch: &mut Scratch) -> Written {
    let mut sink = Sink { scratch, is_list: false };
    let written =
        value.serialize(ValueSerializer { sink: &mut sink, place: Place::List, depth: 0 });
    // A value that is no list is the first of the message.
    written.map_err(|fault| if sink.is_list { fault } else { fault.inside(Step::Integer(1)) })
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl std::error::Error for Fault {}

impl Error for Box<Fault> {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::new(Cause::Value(message.to_string()))
    }
}

/// Where the bytes go.
pub(super) struct Sink<'a> {
    scratch: &'a mut Scratch,
    /// The value as a whole turned out to be a sequence.
    is_list: bool,
}

impl Sink<'_> {
    /// Refuses to go on beyond the limit.
    pub fn check_size(&self) -> Written {
        if self.scratch.writer.len() > MAX_PAYLOAD_BYTES {
            return Err(Fault::new(Cause::Size(MAX_PAYLOAD_BYTES)));
        }
        Ok(())
    }

    /// Writes an integer in the place of a key.
    pub fn integer_key(&mut self, key: i64) -> Written {
        self.scratch.writer.wide_integer(key);
        self.check_size()
    }

    /// Writes a string in the place of a key, one that may lie anywhere.
    pub fn string_key(&mut self, key: &[u8]) -> Written {
        self.scratch.keys.count_unremembered();
        self.string(key)
    }

    /// Writes a boolean or a float in the place of a key.
    pub fn boolean_key(&mut self, key: bool) -> Written {
        self.scratch.writer.boolean(key);
        self.check_size()
    }

    /// Writes a float in the place of a key; it must not be NaN.
    pub fn float_key(&mut self, key: f64) -> Written {
        self.scratch.writer.float(key);
        self.check_size()
    }

    /// Writes the name of a field or a variant; it lies at one address for the whole program.
    fn name(&mut self, name: &'static str) -> Written {
        match self.scratch.keys.find_or_remember(name.as_bytes()) {
            Some(number) => self.scratch.writer.key_reference(number),
            None => self.scratch.writer.string(name.as_bytes()),
        }
        self.check_size()
    }

    fn string(&mut self, value: &[u8]) -> Written {
        if value.len() > MAX_PAYLOAD_BYTES {
            return Err(Fault::new(Cause::Size(MAX_PAYLOAD_BYTES)));
        }
        self.scratch.writer.string(value);
        self.check_size()
    }
}

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The whole message: a sequence here is the list of values.
    List,
    Value,
    /// The bytes of a handle.
    Handle,
}

/// Writes one value that `depth` tables hold.
struct ValueSerializer<'a, 'b> {
    sink: &'a mut Sink<'b>,
    place: Place,
    depth: usize,
}

impl<'a, 'b> ValueSerializer<'a, 'b> {
    fn integer<T: TryInto<i64> + fmt::Display + Copy>(self, value: T) -> Written {
        let Ok(number) = value.try_into() else {
            return Err(Error::custom(format_args!("{value} is no 64-bit integer of Lua")));
        };
        self.sink.scratch.writer.integer(number);
        self.sink.check_size()
    }

    /// Starts a sequence: a table, or the list of the message.
    fn sequence(self, length: Option<usize>) -> Result<Compound<'a, 'b>, Box<Fault>> {
        if self.place != Place::List {
            return self.table(length.unwrap_or(0));
        }
        self.sink.is_list = true;
        Ok(Compound { depth: 0, ..Compound::new(self.sink) })
    }

    fn table(self, elements: usize) -> Result<Compound<'a, 'b>, Box<Fault>> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::new(Cause::Depth));
        }
        let table = self.sink.scratch.writer.begin_table(elements.min(MAX_PAYLOAD_BYTES));
        Ok(Compound { table: Some(table), depth: self.depth + 1, ..Compound::new(self.sink) })
    }

    /// Starts `{variant = {...}}`.
    fn variant(self, variant: &'static str) -> Result<Compound<'a, 'b>, Box<Fault>> {
        let Compound { sink, table, depth, .. } = self.table(0)?;
        sink.name(variant)?;
        let inner = ValueSerializer { sink, place: Place::Value, depth };
        let inner = inner.table(0).map_err(|fault| fault.inside(step(variant)))?;
        Ok(Compound { holder: table, variant: Some(variant), ..inner })
    }
}

fn step(name: &str) -> Step {
    Step::string(name.as_bytes())
}

/// The `serialize_*` methods for types that are integers in Lua.
macro_rules! integers {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Written {
            self.integer(value)
        })*
    };
}

impl<'a, 'b> Serializer for ValueSerializer<'a, 'b> {
    type Ok = ();
    type Error = Box<Fault>;
    type SerializeSeq = Compound<'a, 'b>;
    type SerializeTuple = Compound<'a, 'b>;
    type SerializeTupleStruct = Compound<'a, 'b>;
    type SerializeTupleVariant = Compound<'a, 'b>;
    type SerializeMap = Compound<'a, 'b>;
    type SerializeStruct = Compound<'a, 'b>;
    type SerializeStructVariant = Compound<'a, 'b>;

    integers! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
    }

    fn serialize_bool(self, value: bool) -> Written {
        self.sink.scratch.writer.boolean(value);
        self.sink.check_size()
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Written {
        self.sink.scratch.writer.float(value);
        self.sink.check_size()
    }

    fn serialize_char(self, value: char) -> Written {
        self.sink.string(value.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn serialize_str(self, value: &str) -> Written {
        self.sink.string(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        let (Place::Handle, Ok(bytes)) = (self.place, value.try_into()) else {
            return self.sink.string(value);
        };
        let handle = Handle::from_bytes(bytes);
        self.sink.scratch.writer.handle(handle.kind, handle.value);
        self.sink.check_size()
    }

    fn serialize_none(self) -> Written {
        self.sink.scratch.writer.nil();
        self.sink.check_size()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(ValueSerializer { place: Place::Value, ..self })
    }

    fn serialize_unit(self) -> Written {
        if self.place == Place::List { Ok(()) } else { self.serialize_none() }
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Written {
        let place = if name == HANDLE_NAME { Place::Handle } else { self.place };
        value.serialize(ValueSerializer { place, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        let mut table = self.table(0)?;
        table.field(variant, value)?;
        table.finish()
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.sequence(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.sequence(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.sequence(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.variant(variant)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.table(0)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.table(0)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a, 'b>, Box<Fault>> {
        self.variant(variant)
    }
}

/// The contents of an open table, or of the list of the message.
struct Compound<'a, 'b> {
    sink: &'a mut Sink<'b>,
    /// None for the list.
    table: Option<OpenTable>,
    /// The table around it when this one holds the contents of a variant.
    holder: Option<OpenTable>,
    variant: Option<&'static str>,
    elements: usize,
    pairs: usize,
    /// Where the last key of a map begins.
    key_start: usize,
    depth: usize,
}

impl<'a, 'b> Compound<'a, 'b> {
    fn new(sink: &'a mut Sink<'b>) -> Self {
        let (table, holder, variant) = (None, None, None);
        Self { sink, table, holder, variant, elements: 0, pairs: 0, key_start: 0, depth: 0 }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        value.serialize(ValueSerializer { sink: self.sink, place: Place::Value, depth: self.depth })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.elements += 1;
        let written = self.value(value);
        written.map_err(|fault| self.locate(fault, Step::Integer(self.elements as i64)))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Written {
        self.pairs += 1;
        let written = self.sink.name(name).and_then(|()| self.value(value));
        written.map_err(|fault| self.locate(fault, step(name)))
    }

    fn locate(&self, fault: Box<Fault>, step_in_table: Step) -> Box<Fault> {
        let fault = fault.inside(step_in_table);
        match self.variant {
            Some(variant) => fault.inside(step(variant)),
            None => fault,
        }
    }

    fn finish(self) -> Written {
        let Self { sink, table, holder, elements, pairs, .. } = self;
        if let Some(table) = table {
            sink.scratch.writer.finish_table(table, Shape { elements, pairs });
        }
        if let Some(holder) = holder {
            sink.scratch.writer.finish_table(holder, Shape { elements: 0, pairs: 1 });
        }
        sink.check_size()
    }
}

/// The traits of serde for what has elements, and for what has fields.
macro_rules! compounds {
    (elements: $($element_trait:ident::$element:ident),*; fields: $($field_trait:ident),*) => {
        $(impl $element_trait for Compound<'_, '_> {
            type Ok = ();
            type Error = Box<Fault>;

            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
                self.element(value)
            }

            fn end(self) -> Written {
                self.finish()
            }
        })*
        $(impl $field_trait for Compound<'_, '_> {
            type Ok = ();
            type Error = Box<Fault>;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Written {
                self.field(name, value)
            }

            fn end(self) -> Written {
                self.finish()
            }
        })*
    };
}

compounds! {
    elements: SerializeSeq::serialize_element, SerializeTuple::serialize_element,
        SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field;
    fields: SerializeStruct, SerializeStructVariant
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Box<Fault>;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.pairs += 1;
        self.key_start = self.sink.scratch.writer.len();
        key.serialize(KeySerializer { sink: self.sink })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        let written = self.value(value);
        written.map_err(|fault| fault.inside(self.sink.scratch.writer.key_step(self.key_start)))
    }

    fn end(self) -> Written {
        self.finish()
    }
}
