//! The short way for what most messages are: a few values that hold no others, in a payload that
//! needs no allocation. Whatever does not fit takes the long way ([`pack`](super::pack) and
//! [`unpack`](super::unpack)), which gives the same bytes, the same values and the errors.
//!
//! Napkin: a name and an integer take 25 ns each way less than on the long way, which has to be
//! ready for tables, keys and errors.

use std::ffi::c_int;

use moonhive_lua_sys::lua::{self, lua_State};
use moonhive_lua_sys::quick::{self, Plain};

use super::format::{FORMAT_VERSION, HEADER_BYTES, tag};
use super::payload::{INLINE_BYTES, PADDED_BYTES, Payload};

/// Most values that a short payload holds.
const VALUES_MAX: c_int = (INLINE_BYTES - HEADER_BYTES) as c_int;
/// Bytes that writing one number may touch.
const NUMBER_BYTES: usize = 9;
/// A number is written whole before its length counts, so there is room for one beyond the end.
const BUFFER_BYTES: usize = PADDED_BYTES + 2 * NUMBER_BYTES;

/// Packs the `count` values from `first` on, if they are plain and few.
///
/// # Safety
/// `state` is a valid state that this thread may use, with that many values at positive indices.
#[inline(never)]
pub unsafe fn pack_plain(state: *mut lua_State, first: c_int, count: c_int) -> Option<Payload> {
    if !(1..=VALUES_MAX).contains(&count) {
        return None;
    }
    let mut writer = Writer { bytes: [0; BUFFER_BYTES], length: HEADER_BYTES };
    writer.bytes[0] = FORMAT_VERSION;
    for index in first..first + count {
        // SAFETY: the caller vouches for the values; nothing removes them meanwhile.
        match unsafe { quick::plain_at(state, index) }? {
            Plain::Integer(value) => writer.integer(value),
            Plain::String(bytes) => writer.string(bytes)?,
            Plain::Float(value) => writer.number(tag::FLOAT, value.to_bits(), 8),
            Plain::Boolean(true) => writer.byte(tag::TRUE),
            Plain::Boolean(false) => writer.byte(tag::FALSE),
            Plain::Nil => writer.byte(tag::NIL),
            Plain::Pointer(address) => writer.number(tag::POINTER, address, 8),
        }
        if writer.length > INLINE_BYTES {
            return None;
        }
    }
    Some(Payload::from_padded(&writer.bytes, writer.length))
}

struct Writer {
    bytes: [u8; BUFFER_BYTES],
    /// At most [`INLINE_BYTES`] before each value.
    length: usize,
}

impl Writer {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    #[inline]
    fn integer(&mut self, value: i64) {
        if (0..=127).contains(&value) {
            return self.byte(tag::SMALL_INTEGER | value as u8);
        }
        let (tag, length) = if i8::try_from(value).is_ok() {
            (tag::INTEGER_8, 1)
        } else if i16::try_from(value).is_ok() {
            (tag::INTEGER_16, 2)
        } else if i32::try_from(value).is_ok() {
            (tag::INTEGER_32, 4)
        } else {
            (tag::INTEGER_64, 8)
        };
        self.number(tag, value as u64, length);
    }

    /// The lowest `length` bytes of a number.
    #[inline]
    fn number(&mut self, tag: u8, bits: u64, length: usize) {
        let at = self.length;
        self.bytes[at] = tag;
        self.bytes[at + 1..at + NUMBER_BYTES].copy_from_slice(&bits.to_le_bytes());
        self.length = at + 1 + length;
    }

    /// `None` if it does not fit.
    #[inline]
    fn string(&mut self, value: &[u8]) -> Option<()> {
        let begin = self.length + 1;
        self.bytes[..INLINE_BYTES].get_mut(begin..begin + value.len())?.copy_from_slice(value);
        self.bytes[begin - 1] = tag::SMALL_STRING | value.len() as u8;
        self.length = begin + value.len();
        Some(())
    }
}

/// Pushes the values of a short payload, if they are plain, and returns how many there are. Pushes
/// nothing otherwise.
///
/// # Safety
/// As [`unpack`](super::unpack).
#[inline(always)]
pub(super) unsafe fn unpack_plain(state: *mut lua_State, bytes: &[u8]) -> Option<c_int> {
    let [FORMAT_VERSION, 0, values @ ..] = bytes else { return None };
    // SAFETY: the caller's.
    unsafe { push_values(state, values) }
}

/// The same for what a payload holds in itself.
///
/// # Safety
/// As [`unpack`](super::unpack).
#[inline(always)]
pub unsafe fn unpack_short(state: *mut lua_State, payload: &Payload) -> Option<c_int> {
    // SAFETY: the caller's.
    unsafe { unpack_plain(state, payload.head()) }
}

/// A request that begins with a name, in a short payload.
#[derive(Clone, Copy)]
pub struct PlainRequest<'a> {
    name: &'a [u8],
    arguments: &'a [u8],
}

impl<'a> PlainRequest<'a> {
    /// Reads the name; `None` if the payload is not short or begins with something else.
    #[inline]
    pub fn new(payload: &'a Payload) -> Option<PlainRequest<'a>> {
        let [FORMAT_VERSION, 0, tag, rest @ ..] = payload.head() else { return None };
        if !(tag::SMALL_STRING..=tag::SMALL_STRING_LAST).contains(tag) {
            return None;
        }
        let (name, arguments) = rest.split_at_checked(usize::from(tag - tag::SMALL_STRING))?;
        Some(PlainRequest { name, arguments })
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Pushes the arguments, if all are plain, and returns how many there are. Pushes nothing
    /// otherwise.
    ///
    /// # Safety
    /// As [`unpack`](super::unpack).
    #[inline(always)]
    pub unsafe fn unpack_arguments(&self, state: *mut lua_State) -> Option<c_int> {
        // SAFETY: the caller's.
        unsafe { push_values(state, self.arguments) }
    }
}

/// Pushes plain values and returns how many there are; nothing is pushed if one is not.
///
/// # Safety
/// As [`unpack`](super::unpack).
#[inline(always)]
unsafe fn push_values(state: *mut lua_State, values: &[u8]) -> Option<c_int> {
    // SAFETY: the caller vouches for the state. Each value takes a byte at least, so there is room
    // for all; what was pushed is taken back if it does not go on.
    unsafe {
        if values.len() > VALUES_MAX as usize || !quick::checkstack(state, values.len() as c_int) {
            return None;
        }
        let base = quick::gettop(state);
        let mut reader = Reader { bytes: values };
        let mut count = 0;
        while let Some(tag) = reader.byte() {
            if reader.push(state, tag).is_none() {
                quick::cut(state, base);
                return None;
            }
            count += 1;
        }
        Some(count)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*array)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Pushes the value that the tag begins; `None`, and nothing pushed, if it is not a plain one
    /// or not all there.
    ///
    /// # Safety
    /// As [`unpack_plain`], and there is room for a value.
    #[inline(always)]
    unsafe fn push(&mut self, state: *mut lua_State, tag: u8) -> Option<()> {
        // SAFETY: the caller made room.
        unsafe {
            match tag {
                tag::SMALL_INTEGER.. => quick::pushinteger(state, i64::from(tag & 0x7f)),
                tag::SMALL_STRING..=tag::SMALL_STRING_LAST => {
                    let text = self.take(usize::from(tag & 0x3f))?;
                    lua::lua_pushlstring(state, text.as_ptr().cast(), text.len());
                }
                tag::INTEGER_8 => {
                    quick::pushinteger(state, i8::from_le_bytes(self.array()?).into());
                }
                tag::INTEGER_16 => {
                    quick::pushinteger(state, i16::from_le_bytes(self.array()?).into());
                }
                tag::INTEGER_32 => {
                    quick::pushinteger(state, i32::from_le_bytes(self.array()?).into());
                }
                tag::INTEGER_64 => quick::pushinteger(state, i64::from_le_bytes(self.array()?)),
                tag::FLOAT => quick::pushnumber(state, f64::from_le_bytes(self.array()?)),
                tag::TRUE => quick::pushboolean(state, true),
                tag::FALSE => quick::pushboolean(state, false),
                tag::NIL => quick::pushnil(state),
                tag::POINTER => quick::pushpointer(state, u64::from_le_bytes(self.array()?)),
                _ => return None,
            }
        }
        Some(())
    }
}
