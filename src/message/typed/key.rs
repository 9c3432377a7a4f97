//! Map keys of Rust into table keys of Lua: strings, numbers and booleans.

use std::fmt;

use serde::Serialize;
use serde::ser::{Error, Impossible, Serializer};

use super::ser::{Sink, Written};
use crate::message::fault::Fault;

/// Writes one key.
pub(super) struct KeySerializer<'a, 'b> {
    pub sink: &'a mut Sink<'b>,
}

impl KeySerializer<'_, '_> {
    fn integer<T: TryInto<i64> + fmt::Display + Copy>(self, key: T) -> Written {
        match key.try_into() {
            Ok(key) => self.sink.integer_key(key),
            Err(_) => Err(Error::custom(format_args!("key {key} is no 64-bit integer of Lua"))),
        }
    }
}

fn refuse<T>(kind: &str) -> Result<T, Box<Fault>> {
    Err(Error::custom(format_args!("{kind} cannot be a key of a table")))
}

/// The `serialize_*` methods for types that are integers in Lua.
macro_rules! integers {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, key: $type) -> Written {
            self.integer(key)
        })*
    };
}

impl Serializer for KeySerializer<'_, '_> {
    type Ok = ();
    type Error = Box<Fault>;
    type SerializeSeq = Impossible<(), Box<Fault>>;
    type SerializeTuple = Impossible<(), Box<Fault>>;
    type SerializeTupleStruct = Impossible<(), Box<Fault>>;
    type SerializeTupleVariant = Impossible<(), Box<Fault>>;
    type SerializeMap = Impossible<(), Box<Fault>>;
    type SerializeStruct = Impossible<(), Box<Fault>>;
    type SerializeStructVariant = Impossible<(), Box<Fault>>;

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

    fn serialize_bool(self, key: bool) -> Written {
        self.sink.boolean_key(key)
    }

    fn serialize_f32(self, key: f32) -> Written {
        self.serialize_f64(key.into())
    }

    fn serialize_f64(self, key: f64) -> Written {
        if key.is_nan() { refuse("NaN") } else { self.sink.float_key(key) }
    }

    fn serialize_char(self, key: char) -> Written {
        self.sink.string_key(key.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn serialize_str(self, key: &str) -> Written {
        self.sink.string_key(key.as_bytes())
    }

    fn serialize_bytes(self, key: &[u8]) -> Written {
        self.sink.string_key(key)
    }

    fn serialize_none(self) -> Written {
        refuse("nil")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Written {
        key.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        refuse("nil")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        refuse("nil")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, key: &T) -> Written {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        refuse("a variant with contents")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Box<Fault>> {
        refuse("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Box<Fault>> {
        refuse("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Box<Fault>> {
        refuse("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Box<Fault>> {
        refuse("a variant with contents")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Box<Fault>> {
        refuse("a map")
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, Box<Fault>> {
        refuse("a struct")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Box<Fault>> {
        refuse("a variant with contents")
    }
}
