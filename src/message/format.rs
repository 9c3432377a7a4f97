//! The bytes of a payload: tags, headers, and the two ends that write and read them.
//!
//! Everything here is safe Rust over byte slices and asks nothing of Lua, so the stack codec, the
//! serde codec and the fuzzer share one definition of the format (`docs/message-format.md` shows it
//! byte by byte). The short way for plain values (`plain.rs`) has a reader and a writer of its own
//! over a fixed buffer, with the tags from here; a property test compares what both write. Large
//! strings lie beside the bytes, in the order of their tags. Invariant: [`Reader`] never reads
//! outside its slice and never trusts a count that the remaining bytes cannot hold.

use moonhive_lua_sys::inside::Bare;

use super::MAX_PAYLOAD_BYTES;
use super::buffer::Buffer;
use super::error::UnpackError;
use super::packed::{Attached, HEADER_GROWTH_BYTES, Packed};
use super::path::Step;
use super::payload::{PADDED_BYTES, Payload};

/// First byte of every payload that carries a value.
pub const FORMAT_VERSION: u8 = 1;
/// Bytes before the first value: the version and the number of remembered keys.
pub(super) const HEADER_BYTES: usize = 2;
/// Most table keys that one payload can refer back to.
pub(super) const MAX_REMEMBERED_KEYS: usize = 128;

/// Tags of values. Ranges: see [`SMALL_ARRAY`] and the constants after it.
pub(super) mod tag {
    pub const NIL: u8 = 0x00;
    pub const FALSE: u8 = 0x01;
    pub const TRUE: u8 = 0x02;
    pub const FLOAT: u8 = 0x03;
    pub const INTEGER_8: u8 = 0x04;
    pub const INTEGER_16: u8 = 0x05;
    pub const INTEGER_32: u8 = 0x06;
    pub const INTEGER_64: u8 = 0x07;
    pub const STRING_8: u8 = 0x08;
    pub const STRING_32: u8 = 0x09;
    pub const POINTER: u8 = 0x0a;
    pub const HANDLE: u8 = 0x0b;
    pub const ARRAY_32: u8 = 0x0c;
    pub const MAP_32: u8 = 0x0d;
    pub const TABLE_32: u8 = 0x0e;
    /// A string that lies beside the bytes: see `packed.rs`.
    pub const ATTACHED: u8 = 0x0f;
    /// Low four bits: number of elements; no pairs.
    pub const SMALL_ARRAY: u8 = 0x10;
    pub const SMALL_ARRAY_LAST: u8 = 0x1f;
    /// Low five bits: number of pairs; no elements.
    pub const SMALL_MAP: u8 = 0x20;
    pub const SMALL_MAP_LAST: u8 = 0x3f;
    /// Low six bits: length of the string.
    pub const SMALL_STRING: u8 = 0x40;
    pub const SMALL_STRING_LAST: u8 = 0x7f;
    /// Low seven bits: the integer; as a key: which remembered key.
    pub const SMALL_INTEGER: u8 = 0x80;
}

const SMALL_ARRAY_COUNT: usize = 16;
const SMALL_MAP_COUNT: usize = 32;
const SMALL_STRING_BYTES: usize = 64;

/// What a table consists of on the wire: elements `1..=elements` first, then `pairs` keys and
/// values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub elements: usize,
    pub pairs: usize,
}

impl Shape {
    /// Values that follow the header, each of at least one byte.
    pub fn values(self) -> usize {
        self.elements + 2 * self.pairs
    }

    /// The header of most tables.
    #[inline]
    fn small_header(self) -> Option<u8> {
        match (self.elements, self.pairs) {
            (0..SMALL_ARRAY_COUNT, 0) => Some(tag::SMALL_ARRAY | self.elements as u8),
            (0, 0..SMALL_MAP_COUNT) => Some(tag::SMALL_MAP | self.pairs as u8),
            _ => None,
        }
    }

    fn large_header(self) -> ([u8; 9], usize) {
        let mut bytes = [0; 9];
        // The counts fit: a payload is limited to less than 4 GiB and every value takes a byte.
        let (elements, pairs) = (self.elements as u32, self.pairs as u32);
        let (tag, first, length) = match (elements, pairs) {
            (_, 0) => (tag::ARRAY_32, elements, 5),
            (0, _) => (tag::MAP_32, pairs, 5),
            (_, _) => (tag::TABLE_32, elements, 9),
        };
        bytes[0] = tag;
        bytes[1..5].copy_from_slice(&first.to_le_bytes());
        bytes[5..9].copy_from_slice(&pairs.to_le_bytes());
        (bytes, length)
    }
}

/// Where the header of an open table lies; given back to [`Writer::finish_table`].
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(super) struct OpenTable {
    start: usize,
    reserved: usize,
}

/// Appends values in format order. Reused for many payloads: [`Writer::begin`] starts one.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    attached: Vec<Attached>,
    /// What the attached strings add to the bytes of the whole payload.
    grown_bytes: usize,
}

/// What stands before a string of more than 255 bytes.
pub(super) fn long_header(length: usize) -> [u8; 5] {
    let mut header = [tag::STRING_32; 5];
    // Fits: callers check the payload limit before they write a string.
    header[1..].copy_from_slice(&(length as u32).to_le_bytes());
    header
}

impl Writer {
    /// Forgets what was written and starts a payload.
    pub fn begin(&mut self) {
        self.bytes.clear();
        self.forget_attached();
        self.bytes.extend_from_slice(&[FORMAT_VERSION, 0]);
    }

    /// States how many keys the reader must remember, and ends the payload; one without values has
    /// no bytes either.
    #[inline]
    pub fn finish(&mut self, remembered_keys: usize) -> Payload {
        debug_assert!(remembered_keys <= MAX_REMEMBERED_KEYS);
        let length = self.bytes.len();
        if length <= HEADER_BYTES {
            return Payload::EMPTY;
        }
        self.bytes[1] = remembered_keys as u8;
        if !self.attached.is_empty() {
            return Payload::attached(&self.bytes, std::mem::take(&mut self.attached));
        }
        if length < PADDED_BYTES {
            self.bytes.extend_from_slice(&[0; PADDED_BYTES]);
        }
        Payload::from_padded(&self.bytes, length)
    }

    /// Bytes of the whole payload so far, header included.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.grown_bytes
    }

    /// Lets go of large strings, of which a payload that failed may have left some.
    #[inline]
    pub fn forget_attached(&mut self) {
        self.attached.clear();
        self.grown_bytes = 0;
    }

    /// Gives a buffer of more than `keep_bytes` back.
    #[inline]
    pub fn shrink(&mut self, keep_bytes: usize) {
        if self.bytes.capacity() > keep_bytes {
            self.bytes = Vec::new();
        }
    }

    /// How a path spells the key that was written at `start`.
    pub fn key_step(&self, start: usize) -> Step {
        let bytes = self.bytes.as_slice();
        let mut reader = Reader { bytes, position: start, remembered_keys: 0, attached: &[] };
        match reader.key(0) {
            Ok(KeyToken::Literal(token)) => token.step(),
            Ok(KeyToken::Reference(_)) | Err(_) => Step::Other("key"),
        }
    }

    #[inline]
    pub fn nil(&mut self) {
        self.bytes.push(tag::NIL);
    }

    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { tag::TRUE } else { tag::FALSE });
    }

    #[inline]
    pub fn integer(&mut self, value: i64) {
        if (0..=127).contains(&value) {
            self.bytes.push(tag::SMALL_INTEGER | value as u8);
        } else {
            self.wide_integer(value);
        }
    }

    /// As [`integer`](Self::integer), but for the place of a key, where small integers are taken by
    /// references.
    #[inline]
    pub fn wide_integer(&mut self, value: i64) {
        if let Ok(value) = i8::try_from(value) {
            self.tagged(tag::INTEGER_8, value.to_le_bytes());
        } else if let Ok(value) = i16::try_from(value) {
            self.tagged(tag::INTEGER_16, value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.tagged(tag::INTEGER_32, value.to_le_bytes());
        } else {
            self.tagged(tag::INTEGER_64, value.to_le_bytes());
        }
    }

    #[inline]
    pub fn float(&mut self, value: f64) {
        self.tagged(tag::FLOAT, value.to_bits().to_le_bytes());
    }

    #[inline]
    pub fn string(&mut self, value: &[u8]) {
        if value.len() < SMALL_STRING_BYTES {
            self.bytes.reserve(SMALL_STRING_BYTES);
            self.bytes.push(tag::SMALL_STRING | value.len() as u8);
        } else {
            self.long_string_header(value.len());
        }
        self.bytes.extend_from_slice(value);
    }

    fn long_string_header(&mut self, length: usize) {
        if let Ok(length) = u8::try_from(length) {
            self.tagged(tag::STRING_8, [length]);
        } else {
            self.bytes.extend_from_slice(&long_header(length));
        }
    }

    /// A large string, which is not copied.
    pub fn attach(&mut self, buffer: Buffer) {
        self.grown_bytes += HEADER_GROWTH_BYTES + buffer.len();
        self.attached.push(Attached { at: self.bytes.len(), buffer });
        self.bytes.push(tag::ATTACHED);
    }

    /// A key that an earlier table of this payload wrote in full.
    #[inline]
    pub fn key_reference(&mut self, index: u8) {
        debug_assert!((index as usize) < MAX_REMEMBERED_KEYS);
        self.bytes.push(tag::SMALL_INTEGER | index);
    }

    /// A light userdata.
    pub fn pointer(&mut self, address: u64) {
        self.tagged(tag::POINTER, address.to_le_bytes());
    }

    /// A handle: see [`Handle`](super::Handle).
    pub fn handle(&mut self, kind: u8, value: u64) {
        self.bytes.extend_from_slice(&[tag::HANDLE, kind]);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Starts a table of which only the number of elements is known yet.
    #[inline]
    pub fn begin_table(&mut self, elements: usize) -> OpenTable {
        let start = self.bytes.len();
        let reserved = if elements < SMALL_ARRAY_COUNT { 1 } else { 5 };
        self.bytes.extend_from_slice(&[0; 5]);
        self.bytes.truncate(start + reserved);
        OpenTable { start, reserved }
    }

    /// Writes the header of a table whose contents now follow it.
    #[inline]
    pub fn finish_table(&mut self, table: OpenTable, shape: Shape) {
        match shape.small_header() {
            Some(header) if table.reserved == 1 => self.bytes[table.start] = header,
            _ => self.finish_large_table(table, shape),
        }
    }

    fn finish_large_table(&mut self, table: OpenTable, shape: Shape) {
        let (header, length) = shape.large_header();
        if length > table.reserved {
            self.widen(table, length - table.reserved);
        }
        self.bytes[table.start..table.start + length].copy_from_slice(&header[..length]);
    }

    #[cold]
    fn widen(&mut self, table: OpenTable, by: usize) {
        let (from, end) = (table.start + table.reserved, self.bytes.len());
        self.bytes.resize(end + by, 0);
        self.bytes.copy_within(from..end, from + by);
        let moved = self.attached.iter_mut().rev().take_while(|large| large.at >= from);
        moved.for_each(|large| large.at += by);
    }

    /// Appends a tag and the bytes that belong to it, with one check for room.
    #[inline]
    fn tagged<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        const { assert!(N <= 8) };
        let mut both = [0; 9];
        both[0] = tag;
        both[1..=N].copy_from_slice(&bytes);
        self.bytes.extend_from_slice(&both[..=N]);
    }
}

/// One value as it stands in the bytes; tables are announced, their contents follow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'a> {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(&'a [u8]),
    /// A string that lies beside the bytes.
    Large(&'a Buffer),
    Pointer(u64),
    Handle {
        kind: u8,
        value: u64,
    },
    Table(Shape),
}

impl Token<'_> {
    /// How a path spells this, standing in the place of a key.
    pub fn step(self) -> Step {
        match self {
            Self::Integer(key) => Step::Integer(key),
            Self::Float(key) => Step::Float(key),
            Self::Boolean(key) => Step::Boolean(key),
            Self::String(key) => Step::string(key),
            Self::Large(key) => Step::string(key.bytes()),
            Self::Table(_) => Step::Other("table"),
            Self::Pointer(_) | Self::Handle { .. } => Step::Other("userdata"),
            Self::Nil => Step::Other("nil"),
        }
    }
}

/// What stands in the place of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyToken<'a> {
    /// The remembered key of this number.
    Reference(u8),
    Literal(Token<'a>),
}

/// Reads values in order from bytes that nobody vouches for.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    remembered_keys: u8,
    /// Large strings that were not met yet.
    attached: &'a [Attached],
}

impl<'a> Reader<'a> {
    /// Checks length and header. No bytes at all are a payload without values.
    pub fn new(packed: Packed<'a>) -> Result<Self, UnpackError> {
        let Packed { bytes, attached } = packed;
        let size_bytes = packed.whole_bytes();
        if size_bytes > MAX_PAYLOAD_BYTES {
            return Err(UnpackError::Size { size_bytes, limit_bytes: MAX_PAYLOAD_BYTES });
        }
        let remembered_keys = match *bytes {
            [] => return Ok(Self { bytes, position: 0, remembered_keys: 0, attached }),
            [FORMAT_VERSION, keys, ..] if keys as usize <= MAX_REMEMBERED_KEYS => keys,
            [FORMAT_VERSION, _, ..] => return Err(UnpackError::Key { offset_bytes: 1 }),
            [FORMAT_VERSION] => return Err(UnpackError::Truncated { offset_bytes: 1 }),
            [found, ..] => return Err(UnpackError::Version { found }),
        };
        Ok(Self { bytes, position: HEADER_BYTES, remembered_keys, attached })
    }

    /// How many keys, in the order they are written, later tables refer to.
    pub fn remembered_keys(&self) -> usize {
        self.remembered_keys as usize
    }

    /// Bytes from the start of the payload to the next unread one.
    pub fn position(&self) -> usize {
        self.position
    }

    pub fn is_at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Reads one value, or the header of a table. `owed` is the number of values that the tables
    /// around this one still wait for: a table that promises more than the rest of the bytes can
    /// hold, those included, is refused before anything is allocated for it.
    #[inline]
    pub fn value(&mut self, owed: usize) -> Result<Token<'a>, UnpackError> {
        let tag = self.byte()?;
        if tag >= tag::SMALL_INTEGER {
            return Ok(Token::Integer(i64::from(tag & 0x7f)));
        }
        self.tagged(tag, owed)
    }

    /// Reads what stands in the place of a key.
    #[inline]
    pub fn key(&mut self, owed: usize) -> Result<KeyToken<'a>, UnpackError> {
        let tag = self.byte()?;
        if tag >= tag::SMALL_INTEGER {
            return Ok(KeyToken::Reference(tag & 0x7f));
        }
        self.tagged(tag, owed).map(KeyToken::Literal)
    }

    /// Passes over the next value if it is a number or a boolean.
    #[inline]
    pub fn bare(&mut self) -> Option<Bare> {
        let rest = &self.bytes[self.position..];
        let (&tag, rest) = rest.split_first()?;
        if tag >= tag::SMALL_INTEGER {
            self.position += 1;
            return Some(Bare::integer(i64::from(tag & 0x7f)));
        }
        let (bare, length) = match tag {
            tag::FALSE | tag::TRUE => (Bare::boolean(tag == tag::TRUE), 0),
            tag::INTEGER_8 => (Bare::integer(i8::from_le_bytes(*rest.first_chunk()?).into()), 1),
            tag::INTEGER_16 => (Bare::integer(i16::from_le_bytes(*rest.first_chunk()?).into()), 2),
            tag::INTEGER_32 => (Bare::integer(i32::from_le_bytes(*rest.first_chunk()?).into()), 4),
            tag::INTEGER_64 => (Bare::integer(i64::from_le_bytes(*rest.first_chunk()?)), 8),
            tag::FLOAT => (Bare::float(f64::from_le_bytes(*rest.first_chunk()?)), 8),
            _ => return None,
        };
        self.position += 1 + length;
        Some(bare)
    }

    /// The remembered key that stands next, if one does.
    #[inline]
    pub fn next_reference(&self) -> Option<u8> {
        let tag = *self.bytes.get(self.position)?;
        (tag >= tag::SMALL_INTEGER).then_some(tag & 0x7f)
    }

    /// Passes over it.
    #[inline]
    pub fn skip_reference(&mut self) {
        debug_assert!(self.next_reference().is_some());
        self.position += 1;
    }

    #[inline(always)]
    fn tagged(&mut self, tag: u8, owed: usize) -> Result<Token<'a>, UnpackError> {
        Ok(match tag {
            tag::SMALL_STRING..=tag::SMALL_STRING_LAST => {
                Token::String(self.take(usize::from(tag & 0x3f))?)
            }
            tag::SMALL_MAP..=tag::SMALL_MAP_LAST => {
                self.table(Shape { elements: 0, pairs: usize::from(tag & 0x1f) }, owed)?
            }
            tag::SMALL_ARRAY..=tag::SMALL_ARRAY_LAST => {
                self.table(Shape { elements: usize::from(tag & 0x0f), pairs: 0 }, owed)?
            }
            tag::NIL => Token::Nil,
            tag::FALSE => Token::Boolean(false),
            tag::TRUE => Token::Boolean(true),
            tag::FLOAT => Token::Float(f64::from_bits(u64::from_le_bytes(self.array()?))),
            tag::INTEGER_8 => Token::Integer(i8::from_le_bytes(self.array()?).into()),
            tag::INTEGER_16 => Token::Integer(i16::from_le_bytes(self.array()?).into()),
            tag::INTEGER_32 => Token::Integer(i32::from_le_bytes(self.array()?).into()),
            tag::INTEGER_64 => Token::Integer(i64::from_le_bytes(self.array()?)),
            _ => return self.rare(tag, owed),
        })
    }

    #[inline(never)]
    fn rare(&mut self, tag: u8, owed: usize) -> Result<Token<'a>, UnpackError> {
        Ok(match tag {
            tag::STRING_8 => {
                let length = usize::from(self.byte()?);
                Token::String(self.take(length)?)
            }
            tag::STRING_32 => {
                let length = self.count()?;
                Token::String(self.take(length)?)
            }
            tag::POINTER => Token::Pointer(u64::from_le_bytes(self.array()?)),
            tag::HANDLE => {
                let kind = self.byte()?;
                Token::Handle { kind, value: u64::from_le_bytes(self.array()?) }
            }
            tag::ARRAY_32 => {
                let shape = Shape { elements: self.count()?, pairs: 0 };
                self.table(shape, owed)?
            }
            tag::MAP_32 => {
                let shape = Shape { elements: 0, pairs: self.count()? };
                self.table(shape, owed)?
            }
            tag::TABLE_32 => {
                let elements = self.count()?;
                let shape = Shape { elements, pairs: self.count()? };
                self.table(shape, owed)?
            }
            _ => Token::Large(self.large(tag)?),
        })
    }

    /// The next of the large strings. Bytes from elsewhere have none, and the tag means nothing
    /// there.
    fn large(&mut self, tag: u8) -> Result<&'a Buffer, UnpackError> {
        let (tag::ATTACHED, Some((large, rest))) = (tag, self.attached.split_first()) else {
            return Err(UnpackError::Tag { tag, offset_bytes: self.position - 1 });
        };
        self.attached = rest;
        Ok(&large.buffer)
    }

    #[inline]
    fn table(&self, shape: Shape, owed: usize) -> Result<Token<'a>, UnpackError> {
        if shape.values() > self.remaining().saturating_sub(owed) {
            return Err(UnpackError::Count { offset_bytes: self.position });
        }
        Ok(Token::Table(shape))
    }

    fn count(&mut self) -> Result<usize, UnpackError> {
        // A `u32` always fits: Moonhive runs on 64-bit machines (asserted in `mod.rs`).
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, UnpackError> {
        let Some(&byte) = self.bytes.get(self.position) else { return Err(self.truncated()) };
        self.position += 1;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let Some(bytes) = self.bytes[self.position..].first_chunk() else {
            return Err(self.truncated());
        };
        self.position += N;
        Ok(*bytes)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        let rest = &self.bytes[self.position..];
        let Some(bytes) = rest.get(..length) else { return Err(self.truncated()) };
        self.position += length;
        Ok(bytes)
    }

    #[cold]
    fn truncated(&self) -> UnpackError {
        UnpackError::Truncated { offset_bytes: self.bytes.len() }
    }
}
