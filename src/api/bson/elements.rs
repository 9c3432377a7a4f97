//! The bytes of documents: types of elements, and a walk over them that checks every size.
//!
//! ```text
//! document := size:i32 element* 0      size counts itself and the last zero
//! element  := type:u8 key 0 value      a key holds no zero byte
//! ```

pub(super) const DOUBLE: u8 = 1;
pub(super) const STRING: u8 = 2;
pub(super) const DOCUMENT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const BINARY: u8 = 5;
pub(super) const UNDEFINED: u8 = 6;
pub(super) const OBJECT_ID: u8 = 7;
pub(super) const BOOLEAN: u8 = 8;
pub(super) const DATE: u8 = 9;
pub(super) const NULL: u8 = 10;
pub(super) const REGEX: u8 = 11;
pub(super) const DB_POINTER: u8 = 12;
pub(super) const CODE: u8 = 13;
pub(super) const SYMBOL: u8 = 14;
pub(super) const CODE_WITH_SCOPE: u8 = 15;
pub(super) const INT32: u8 = 16;
pub(super) const TIMESTAMP: u8 = 17;
pub(super) const INT64: u8 = 18;
pub(super) const DECIMAL128: u8 = 19;
pub(super) const MIN_KEY: u8 = 255;
pub(super) const MAX_KEY: u8 = 127;

/// Deepest nesting of documents.
pub(super) const DEPTH_LIMIT: usize = 128;

/// Largest document.
pub(super) const SIZE_LIMIT_BYTES: usize = 64 << 20;

/// Bytes of a document without elements.
const EMPTY_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;
const OBJECT_ID_BYTES: usize = 12;

/// Why bytes are no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum BsonFault {
    #[error("invalid bson: it ends too early")]
    Truncated,
    #[error("invalid bson: a length of {0}")]
    Length(i32),
    #[error("invalid bson: a document or string without its last zero")]
    End,
    #[error("invalid bson: there is no type {0}")]
    Type(u8),
    #[error("invalid bson: documents are nested more than {DEPTH_LIMIT} deep")]
    Depth,
    #[error("not enough memory")]
    Memory,
}

/// One field of a document.
pub(super) struct Element<'a> {
    pub(super) kind: u8,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Walks the elements of a document.
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The document must take all of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Elements<'a>, BsonFault> {
        let size = length(bytes)?;
        if size != bytes.len() {
            return Err(BsonFault::Truncated);
        }
        match &bytes[LENGTH_BYTES..] {
            [elements @ .., 0] => Ok(Elements(elements)),
            _ => Err(BsonFault::End),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, BsonFault> {
        let Some((&kind, rest)) = self.0.split_first() else { return Ok(None) };
        let (key, rest) = split_text(rest)?;
        let size = value_size(kind, rest)?;
        let (value, rest) = rest.split_at_checked(size).ok_or(BsonFault::Truncated)?;
        self.0 = rest;
        Ok(Some(Element { kind, key, value }))
    }

    /// How many bytes of elements are left.
    pub(super) fn rest_len(&self) -> usize {
        self.0.len()
    }
}

/// The text up to the first zero byte, and what follows that.
pub(super) fn split_text(bytes: &[u8]) -> Result<(&[u8], &[u8]), BsonFault> {
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(BsonFault::Truncated)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

/// The length that `bytes` begin with, of something that cannot be larger than they are.
fn length(bytes: &[u8]) -> Result<usize, BsonFault> {
    let length = bytes.first_chunk().ok_or(BsonFault::Truncated)?;
    let length = i32::from_le_bytes(*length);
    usize::try_from(length).map_err(|_| BsonFault::Length(length))
}

/// How many of `bytes` the value of an element takes.
pub(super) fn value_size(kind: u8, bytes: &[u8]) -> Result<usize, BsonFault> {
    Ok(match kind {
        DOUBLE | DATE | TIMESTAMP | INT64 => 8,
        INT32 => 4,
        BOOLEAN => 1,
        OBJECT_ID => OBJECT_ID_BYTES,
        DECIMAL128 => 16,
        NULL | UNDEFINED | MIN_KEY | MAX_KEY => 0,
        STRING | CODE | SYMBOL => text_size(bytes)?,
        DB_POINTER => text_size(bytes)? + OBJECT_ID_BYTES,
        DOCUMENT | ARRAY | CODE_WITH_SCOPE => match length(bytes)? {
            size if size < EMPTY_BYTES => return Err(BsonFault::Length(size as i32)),
            size => size,
        },
        BINARY => LENGTH_BYTES + 1 + length(bytes)?,
        REGEX => {
            let (pattern, rest) = split_text(bytes)?;
            let (options, _) = split_text(rest)?;
            pattern.len() + options.len() + 2
        }
        other => return Err(BsonFault::Type(other)),
    })
}

/// The size of a text with its length in front, which ends with a zero.
fn text_size(bytes: &[u8]) -> Result<usize, BsonFault> {
    let size = LENGTH_BYTES + length(bytes)?;
    if size == LENGTH_BYTES {
        return Err(BsonFault::Length(0));
    }
    match bytes.get(size - 1) {
        Some(0) => Ok(size),
        Some(_) => Err(BsonFault::End),
        None => Err(BsonFault::Truncated),
    }
}
