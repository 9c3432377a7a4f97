//! Payload bytes into Rust values.

use std::fmt;

use serde::de::value::BytesDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::HANDLE_NAME;
use super::access::{Elements, Fields, List, Variant};
use crate::message::error::UnpackError;
use crate::message::format::{KeyToken, Reader, Shape, Token};
use crate::message::packed::Packed;
use crate::message::path::{Path, Step};
use crate::message::{Handle, MAX_DEPTH};

/// The methods for integers, of which a whole float is one too.
macro_rules! whole_numbers {
    (message $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.single(|value| value.whole_number(visitor))
        })*
    };
    (value $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.whole_number(visitor)
        })*
    };
}

/// Why a message is not the value that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FromPayloadError {
    /// A value has another type than expected, or another number of values came.
    #[error("{path}: {message}")]
    Type {
        /// The value.
        path: Path,
        /// What was found and what was expected.
        message: String,
    },
    /// The bytes are not a payload.
    #[error(transparent)]
    Bytes(#[from] UnpackError),
}

impl FromPayloadError {
    /// The error as seen from outside the step that led to it.
    #[cold]
    pub(super) fn inside(mut self, step: Step) -> Self {
        if let Self::Type { path, .. } = &mut self {
            path.push_outer(step);
        }
        self
    }
}

impl Error for FromPayloadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Type { path: Path::new("values"), message: message.to_string() }
    }
}

/// Reads a list of values.
pub(super) fn read<T: DeserializeOwned>(packed: Packed<'_>) -> Result<T, FromPayloadError> {
    let mut decoder = Decoder { reader: Reader::new(packed)?, keys: Vec::new() };
    T::deserialize(Message { decoder: &mut decoder })
}

/// The bytes and the keys met so far.
pub(super) struct Decoder<'de> {
    pub reader: Reader<'de>,
    keys: Vec<&'de [u8]>,
}

impl<'de> Decoder<'de> {
    /// Reads one value, or the header of a table: see [`Reader::value`]. Where a string lies is no
    /// matter.
    pub fn value(&mut self, owed: usize) -> Result<Token<'de>, UnpackError> {
        Ok(match self.reader.value(owed)? {
            Token::Large(buffer) => Token::String(buffer.bytes()),
            token => token,
        })
    }

    /// Reads what stands in the place of a key, with references resolved.
    pub fn key(&mut self, owed: usize) -> Result<Token<'de>, UnpackError> {
        let token = match self.reader.key(owed)? {
            KeyToken::Reference(number) => {
                let key = self.keys.get(usize::from(number)).ok_or(self.bad_key())?;
                return Ok(Token::String(key));
            }
            KeyToken::Literal(token) => token,
        };
        match token {
            Token::Nil | Token::Large(_) => return Err(self.bad_key()),
            Token::Float(key) if key.is_nan() => return Err(self.bad_key()),
            Token::String(key) if self.keys.len() < self.reader.remembered_keys() => {
                self.keys.push(key);
            }
            _ => {}
        }
        Ok(token)
    }

    fn bad_key(&self) -> UnpackError {
        UnpackError::Key { offset_bytes: self.reader.position() }
    }
}

/// The message as a whole: a list for types that want one, otherwise its only value.
struct Message<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
}

impl<'de> Message<'_, 'de> {
    /// Reads the only value; a message without any has nil.
    fn single<T>(
        self,
        read: impl FnOnce(Value<'_, 'de>) -> Result<T, FromPayloadError>,
    ) -> Result<T, FromPayloadError> {
        let decoder = self.decoder;
        let token = match decoder.reader.is_at_end() {
            true => Token::Nil,
            false => decoder.value(0)?,
        };
        let value = read(Value { decoder, token, owed: 0, depth: 0 })
            .map_err(|error| error.inside(Step::Integer(1)))?;
        if decoder.reader.is_at_end() { Ok(value) } else { Err(too_many(1)) }
    }

    fn list<V: Visitor<'de>>(
        self,
        length: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, FromPayloadError> {
        let mut list = List { decoder: self.decoder, taken: 0, length };
        let value = visitor.visit_seq(&mut list)?;
        if list.decoder.reader.is_at_end() { Ok(value) } else { Err(too_many(list.taken)) }
    }
}

fn too_many(expected: usize) -> FromPayloadError {
    FromPayloadError::custom(format_args!("more values than the {expected} expected"))
}

impl<'de> Deserializer<'de> for Message<'_, 'de> {
    type Error = FromPayloadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_option(visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.list(None, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.list(Some(length), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.list(Some(length), visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if name == HANDLE_NAME {
            return self.single(|value| value.deserialize_newtype_struct(name, visitor));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_map(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_struct(name, fields, visitor))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_bytes(visitor))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.single(|value| value.deserialize_bytes(visitor))
    }

    whole_numbers! {
        message deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! { bool i128 u128 f32 f64 char str string identifier }
}

/// One value whose first token has been read; contents of a table follow in the bytes.
pub(super) struct Value<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub token: Token<'de>,
    /// Values that the tables around this one still wait for.
    pub owed: usize,
    /// How many tables hold it.
    pub depth: usize,
}

impl<'a, 'de> Value<'a, 'de> {
    /// What this is, for an error.
    fn unexpected(&self) -> Unexpected<'de> {
        match self.token {
            Token::Nil => Unexpected::Other("nil"),
            Token::Boolean(value) => Unexpected::Bool(value),
            Token::Integer(value) => Unexpected::Signed(value),
            Token::Float(value) => Unexpected::Float(value),
            Token::Large(_) => Unexpected::Other("string"),
            Token::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Unexpected::Str(text),
                Err(_) => Unexpected::Bytes(bytes),
            },
            Token::Pointer(_) => Unexpected::Other("light userdata"),
            Token::Handle { .. } => Unexpected::Other("handle"),
            Token::Table(_) => Unexpected::Other("table"),
        }
    }

    fn mismatch<T, V: Visitor<'de>>(&self, visitor: &V) -> Result<T, FromPayloadError> {
        Err(Error::invalid_type(self.unexpected(), visitor))
    }

    fn string<V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, FromPayloadError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    fn check_depth(&self) -> Result<(), FromPayloadError> {
        if self.depth == MAX_DEPTH {
            return Err(UnpackError::Depth { limit: MAX_DEPTH }.into());
        }
        Ok(())
    }

    fn elements<V: Visitor<'de>>(
        self,
        shape: Shape,
        visitor: V,
    ) -> Result<V::Value, FromPayloadError> {
        self.check_depth()?;
        let mut elements = Elements::new(self, shape.elements);
        let value = visitor.visit_seq(&mut elements)?;
        elements.finish()?;
        Ok(value)
    }

    fn fields<V: Visitor<'de>>(
        self,
        shape: Shape,
        visitor: V,
    ) -> Result<V::Value, FromPayloadError> {
        self.check_depth()?;
        let mut fields = Fields::new(self, shape);
        let value = visitor.visit_map(&mut fields)?;
        fields.finish()?;
        Ok(value)
    }

    fn whole_number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FromPayloadError> {
        // Every whole float of at most this size is exact, and is an `i64`.
        const LARGEST_EXACT: f64 = (1_u64 << 53) as f64;
        match self.token {
            Token::Float(value) if value.fract() == 0.0 && value.abs() <= LARGEST_EXACT => {
                visitor.visit_i64(value as i64)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn handle<V: Visitor<'de>>(handle: Handle, visitor: V) -> Result<V::Value, FromPayloadError> {
        visitor.visit_newtype_struct(BytesDeserializer::new(&handle.to_bytes()))
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = FromPayloadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::Nil => visitor.visit_unit(),
            Token::Boolean(value) => visitor.visit_bool(value),
            Token::Integer(value) => visitor.visit_i64(value),
            Token::Float(value) => visitor.visit_f64(value),
            Token::String(bytes) => Self::string(bytes, visitor),
            Token::Large(buffer) => Self::string(buffer.bytes(), visitor),
            Token::Pointer(address) => visitor.visit_u64(address),
            Token::Handle { kind, value } => Self::handle(Handle { kind, value }, visitor),
            Token::Table(shape) if shape.pairs == 0 => self.elements(shape, visitor),
            Token::Table(shape) => self.fields(shape, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::Table(shape) => self.fields(shape, visitor),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::String(bytes) => Self::string(bytes, visitor),
            _ => self.mismatch(&visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::String(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::Handle { kind, value } if name == HANDLE_NAME => {
                Self::handle(Handle { kind, value }, visitor)
            }
            _ if name == HANDLE_NAME => self.mismatch(&visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.token {
            Token::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(name) => visitor.visit_enum(name.into_deserializer()),
                Err(_) => self.mismatch(&visitor),
            },
            Token::Table(Shape { elements: 0, pairs: 1 }) => {
                self.check_depth()?;
                visitor.visit_enum(Variant::new(self))
            }
            _ => self.mismatch(&visitor),
        }
    }

    whole_numbers! {
        value deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string unit unit_struct seq tuple tuple_struct ignored_any
    }
}
