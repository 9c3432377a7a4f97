//! Values that a dictionary holds, and what comes back with them.

/// A value. Numbers keep their subtype: 3 and 3.0 are two values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'v> {
    /// Nothing, as a value.
    Nil,
    /// True or false.
    Boolean(bool),
    /// An exact integer.
    Integer(i64),
    /// A floating-point number, down to its bits.
    Double(f64),
    /// Any bytes.
    Bytes(&'v [u8]),
    /// A table, in the form of the host's codec: bytes that mean nothing here.
    Table(&'v [u8]),
}

impl Value<'_> {
    /// The value with bytes of its own.
    pub fn to_owned(self) -> OwnedValue {
        match self {
            Self::Nil => OwnedValue::Nil,
            Self::Boolean(value) => OwnedValue::Boolean(value),
            Self::Integer(value) => OwnedValue::Integer(value),
            Self::Double(value) => OwnedValue::Double(value),
            Self::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
            Self::Table(bytes) => OwnedValue::Table(bytes.to_vec()),
        }
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl<'v> From<Number> for Value<'v> {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(value) => Self::Integer(value),
            Number::Double(value) => Self::Double(value),
        }
    }
}

/// A value that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OwnedValue {
    /// See [`Value::Nil`].
    Nil,
    /// See [`Value::Boolean`].
    Boolean(bool),
    /// See [`Value::Integer`].
    Integer(i64),
    /// See [`Value::Double`].
    Double(f64),
    /// See [`Value::Bytes`].
    Bytes(Vec<u8>),
    /// See [`Value::Table`].
    Table(Vec<u8>),
}

impl OwnedValue {
    /// The value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Nil => Value::Nil,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Integer(value) => Value::Integer(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Table(bytes) => Value::Table(bytes),
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        value.to_owned()
    }
}

/// A number, for [`incr`](super::Dictionary::incr).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An exact integer.
    Integer(i64),
    /// A floating-point number.
    Double(f64),
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// What a key holds, with the bytes in a buffer of the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'b> {
    /// The value.
    pub value: Value<'b>,
    /// What the caller stored beside it; 0 if nothing.
    pub flags: u32,
    /// Changes with every change of the entry; never used again for this key.
    pub version: u64,
    /// The time of the entry is over. Only [`get_stale`](super::Dictionary::get_stale) returns
    /// such.
    pub is_stale: bool,
}

impl Entry<'_> {
    /// The entry with bytes of its own.
    pub fn to_owned(self) -> OwnedEntry {
        OwnedEntry {
            value: self.value.to_owned(),
            flags: self.flags,
            version: self.version,
            is_stale: self.is_stale,
        }
    }
}

/// An entry that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedEntry {
    /// The value.
    pub value: OwnedValue,
    /// See [`Entry::flags`].
    pub flags: u32,
    /// See [`Entry::version`].
    pub version: u64,
    /// See [`Entry::is_stale`].
    pub is_stale: bool,
}

/// How long an entry still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// It does not expire.
    Forever,
    /// So many microseconds.
    Us(u64),
}

/// A store that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Live entries were thrown out to make room.
    pub forcible: bool,
    /// The version that the entry has now.
    pub version: u64,
}

/// An increment that succeeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incremented {
    /// The sum.
    pub value: Number,
    /// Live entries were thrown out to make room for a new entry.
    pub forcible: bool,
}

/// How to store a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Milliseconds until the entry expires; 0 for never.
    pub ttl_ms: u64,
    /// A number to keep beside the value.
    pub flags: u32,
    /// Refuse instead of throwing out live entries of others.
    pub never_evict: bool,
    /// A live entry that is replaced keeps its end, to the microsecond; `ttl_ms` is for a new one.
    pub keep_ttl: bool,
}

impl SetOptions {
    /// The same with an end.
    pub fn ttl_ms(self, ttl_ms: u64) -> Self {
        Self { ttl_ms, ..self }
    }

    /// The same with a number beside the value.
    pub fn flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    /// The same, but sparing live entries of others.
    pub fn never_evict(self) -> Self {
        Self { never_evict: true, ..self }
    }

    /// The same, but leaving a live entry that is replaced its end.
    pub fn keep_ttl(self) -> Self {
        Self { keep_ttl: true, ..self }
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The beginning: `lpush`, `lpop`.
    Left,
    /// The end: `rpush`, `rpop`.
    Right,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}
