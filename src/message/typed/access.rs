//! Walks over what a message, a table or an enum variant holds, for serde's visitors.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::de::{Decoder, FromPayloadError, Value};
use crate::message::format::{Shape, Token};
use crate::message::path::Step;

/// The values of a message.
pub(super) struct List<'a, 'de> {
    pub decoder: &'a mut Decoder<'de>,
    pub taken: usize,
    /// How many values the type wants: missing ones are nil.
    pub length: Option<usize>,
}

impl<'de> SeqAccess<'de> for &mut List<'_, 'de> {
    type Error = FromPayloadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FromPayloadError> {
        let token = if !self.decoder.reader.is_at_end() {
            self.decoder.value(0)?
        } else if self.length.is_some_and(|length| self.taken < length) {
            Token::Nil
        } else {
            return Ok(None);
        };
        self.taken += 1;
        let value = seed.deserialize(Value { decoder: self.decoder, token, owed: 0, depth: 0 });
        value.map(Some).map_err(|error| error.inside(Step::Integer(self.taken as i64)))
    }
}

/// The elements of a table without pairs.
pub(super) struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    count: usize,
    taken: usize,
    owed: usize,
    depth: usize,
}

impl<'a, 'de> Elements<'a, 'de> {
    /// The elements of `table`.
    pub fn new(table: Value<'a, 'de>, count: usize) -> Self {
        let Value { decoder, owed, depth, .. } = table;
        Self { decoder, count, taken: 0, owed, depth: depth + 1 }
    }

    /// Checks that all were wanted.
    pub fn finish(self) -> Result<(), FromPayloadError> {
        if self.taken < self.count {
            let (taken, count) = (self.taken, self.count);
            return Err(Error::custom(format_args!("{count} elements, not {taken} as expected")));
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = FromPayloadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FromPayloadError> {
        if self.taken == self.count {
            return Ok(None);
        }
        self.taken += 1;
        let owed = self.owed + self.count - self.taken;
        let token = self.decoder.value(owed)?;
        let value =
            seed.deserialize(Value { decoder: self.decoder, token, owed, depth: self.depth });
        value.map(Some).map_err(|error| error.inside(Step::Integer(self.taken as i64)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.taken)
    }
}

/// A table as a map: elements under their index first, then pairs.
pub(super) struct Fields<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    shape: Shape,
    elements_taken: usize,
    pairs_taken: usize,
    key: Token<'de>,
    owed: usize,
    depth: usize,
}

impl<'a, 'de> Fields<'a, 'de> {
    /// The contents of `table`.
    pub fn new(table: Value<'a, 'de>, shape: Shape) -> Self {
        let Value { decoder, owed, depth, .. } = table;
        let key = Token::Nil;
        Self { decoder, shape, elements_taken: 0, pairs_taken: 0, key, owed, depth: depth + 1 }
    }

    /// Checks that all were wanted.
    pub fn finish(self) -> Result<(), FromPayloadError> {
        if self.values_left() > 0 {
            return Err(Error::custom("more pairs than expected"));
        }
        Ok(())
    }

    fn values_left(&self) -> usize {
        self.shape.values() - self.elements_taken - 2 * self.pairs_taken
    }

    /// Reads the next key, or makes one up for an element.
    fn take_key(&mut self) -> Result<Option<Token<'de>>, FromPayloadError> {
        if self.elements_taken < self.shape.elements {
            self.elements_taken += 1;
            return Ok(Some(Token::Integer(self.elements_taken as i64)));
        }
        if self.pairs_taken == self.shape.pairs {
            return Ok(None);
        }
        self.pairs_taken += 1;
        Ok(Some(self.decoder.key(self.owed + self.values_left() + 1)?))
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = FromPayloadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FromPayloadError> {
        let Some(token) = self.take_key()? else { return Ok(None) };
        self.key = token;
        let owed = self.owed + self.values_left() + 1;
        let key = seed.deserialize(Value { decoder: self.decoder, token, owed, depth: self.depth });
        key.map(Some).map_err(|error| error.inside(token.step()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, FromPayloadError> {
        let owed = self.owed + self.values_left();
        let token = self.decoder.value(owed)?;
        let value =
            seed.deserialize(Value { decoder: self.decoder, token, owed, depth: self.depth });
        value.map_err(|error| error.inside(self.key.step()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.shape.elements + self.shape.pairs - self.elements_taken - self.pairs_taken)
    }
}

/// A variant with contents: the table `{Name = contents}`.
pub(super) struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    name: Token<'de>,
    owed: usize,
    depth: usize,
}

impl<'a, 'de> Variant<'a, 'de> {
    /// The one pair of `table`.
    pub fn new(table: Value<'a, 'de>) -> Self {
        let Value { decoder, owed, depth, .. } = table;
        Self { decoder, name: Token::Nil, owed, depth: depth + 1 }
    }

    fn contents<T>(
        self,
        read: impl FnOnce(Value<'_, 'de>) -> Result<T, FromPayloadError>,
    ) -> Result<T, FromPayloadError> {
        let Self { decoder, name, owed, depth } = self;
        let token = decoder.value(owed)?;
        read(Value { decoder, token, owed, depth }).map_err(|error| error.inside(name.step()))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = FromPayloadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Self), FromPayloadError> {
        self.name = self.decoder.key(self.owed + 1)?;
        let (token, owed) = (self.name, self.owed + 1);
        let depth = self.depth;
        let variant = seed.deserialize(Value { decoder: self.decoder, token, owed, depth })?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = FromPayloadError;

    fn unit_variant(self) -> Result<(), FromPayloadError> {
        Err(Error::invalid_type(Unexpected::Other("table"), &"the name of a variant"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, FromPayloadError> {
        self.contents(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, FromPayloadError> {
        self.contents(|value| value.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FromPayloadError> {
        self.contents(|value| value.deserialize_struct("", fields, visitor))
    }
}
