//! The bytes of one message, owned.
//!
//! Short payloads lie inside the value itself and cost no allocation; longer ones are counted, so a
//! payload that goes to many services is copied once. Large strings may lie beside the bytes
//! (`packed.rs`).
//!
//! A payload is 40 bytes either way, so that a message that carries one stays within a cache line.
//! These are laid out as words, not as an enum of bytes: a message is moved several times within
//! nanoseconds, and a processor stalls when it reads what it has just written in other pieces.

use std::borrow::Cow;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use super::packed::{Attached, Packed, Parts, grown_bytes};

/// Longest payload that needs no allocation. Two integers and a short string fit.
pub const INLINE_BYTES: usize = 38;

/// Words of a payload.
const WORDS: usize = 5;
/// What [`Payload::from_padded`] copies.
pub(super) const PADDED_BYTES: usize = 8 * WORDS;

const _: () = assert!(size_of::<Payload>() == PADDED_BYTES);

/// Packed values on their way from one service to another. Cloning is cheap.
///
/// ```
/// use moonhive::message::{from_payload, to_payload};
///
/// let payload = to_payload(&("deposit", 250))?;
/// assert_eq!(from_payload::<(String, i64)>(&payload)?, ("deposit".to_owned(), 250));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct Payload {
    /// The first bytes of a short payload, or where the bytes or [`Parts`] of a counted one lie.
    first: *const u8,
    /// The bytes that follow; of a counted payload the number of its bytes, were it whole.
    rest: [u64; 3],
    /// The last bytes of a short payload, and in the highest byte the length, [`COUNTED`] or
    /// [`ATTACHED`].
    last: u64,
}

// SAFETY: the bytes are never written to, and those that are counted belong to an `Arc<[u8]>` or an
// `Arc<Parts>`.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

/// In the place of a length: the bytes lie elsewhere and are counted.
const COUNTED: u8 = 0xff;
/// The same, and there are large strings beside them.
const ATTACHED: u8 = 0xfe;
/// Where the highest byte of the last word begins.
const LENGTH_SHIFT: u32 = 56;

impl Payload {
    /// The payload without values.
    pub const EMPTY: Self = Self { first: ptr::null(), rest: [0; 3], last: 0 };

    fn short(words: [u64; WORDS], length: u8) -> Self {
        let [first, rest @ .., last] = words;
        let last = last & !(0xff << LENGTH_SHIFT) | u64::from(length) << LENGTH_SHIFT;
        Self { first: ptr::without_provenance(first as usize), rest, last }
    }

    fn counted(bytes: Arc<[u8]>) -> Self {
        let bytes = Arc::into_raw(bytes);
        let rest = [bytes.len() as u64, 0, 0];
        Self { first: bytes.cast(), rest, last: u64::from(COUNTED) << LENGTH_SHIFT }
    }

    /// Bytes with large strings beside them.
    pub(super) fn attached(bytes: &[u8], attached: Vec<Attached>) -> Self {
        let whole_bytes = bytes.len() + grown_bytes(&attached);
        let parts = Parts { bytes: bytes.into(), attached: attached.into() };
        let rest = [whole_bytes as u64, 0, 0];
        let first = Arc::into_raw(Arc::new(parts)).cast();
        Self { first, rest, last: u64::from(ATTACHED) << LENGTH_SHIFT }
    }

    /// Length of a short payload, [`COUNTED`] or [`ATTACHED`].
    #[inline]
    fn tag(&self) -> u8 {
        (self.last >> LENGTH_SHIFT) as u8
    }

    /// What a counted payload was made of.
    #[inline]
    fn counted_bytes(&self) -> *const [u8] {
        debug_assert_eq!(self.tag(), COUNTED);
        ptr::slice_from_raw_parts(self.first, self.rest[0] as usize)
    }

    /// What a payload with large strings was made of.
    #[inline]
    fn parts(&self) -> *const Parts {
        debug_assert_eq!(self.tag(), ATTACHED);
        self.first.cast()
    }

    /// The packed form, as [`unpack`](super::unpack) takes it.
    #[inline]
    pub fn packed(&self) -> Packed<'_> {
        if self.tag() == ATTACHED {
            // SAFETY: the `Arc` lives as long as this payload or a clone does.
            let parts = unsafe { &*self.parts() };
            return Packed { bytes: &parts.bytes, attached: &parts.attached };
        }
        Packed { bytes: self.head(), attached: &[] }
    }

    /// The packed form in one piece. A copy is made only of a payload with large strings (see
    /// [`LARGE_BYTES`](super::LARGE_BYTES)).
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        self.packed().whole()
    }

    /// The bytes, without large strings beside them; of what was packed whole all there is.
    #[inline]
    pub(crate) fn head(&self) -> &[u8] {
        match self.tag() {
            // SAFETY: the `Arc` lives as long as this payload or a clone does.
            COUNTED => unsafe { &*self.counted_bytes() },
            // SAFETY: as above.
            ATTACHED => unsafe { &(*self.parts()).bytes },
            // SAFETY: a short payload's bytes lie in the payload from its begin on; in memory the
            // highest byte of the last word comes last (asserted below).
            length => unsafe {
                std::slice::from_raw_parts(ptr::from_ref(self).cast(), usize::from(length))
            },
        }
    }

    /// How many strings and payloads count for each of the large strings, for tests.
    #[cfg(test)]
    pub(crate) fn owners(&self) -> Vec<usize> {
        self.packed().attached.iter().map(|large| large.buffer.owners()).collect()
    }

    /// Length in bytes, those of large strings included.
    pub fn len(&self) -> usize {
        match self.tag() {
            COUNTED | ATTACHED => self.rest[0] as usize,
            length => usize::from(length),
        }
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const _: () = assert!(cfg!(target_endian = "little"), "the last byte of a payload is its length");

impl Clone for Payload {
    fn clone(&self) -> Self {
        // SAFETY: the address is of an `Arc` that this payload still counts for, of that kind.
        unsafe {
            match self.tag() {
                COUNTED => Arc::increment_strong_count(self.counted_bytes()),
                ATTACHED => Arc::increment_strong_count(self.parts()),
                _ => {}
            }
        }
        Self { first: self.first, rest: self.rest, last: self.last }
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `clone`; this payload's count is given back once.
        unsafe {
            match self.tag() {
                COUNTED => drop(Arc::from_raw(self.counted_bytes())),
                ATTACHED => drop(Arc::from_raw(self.parts())),
                _ => {}
            }
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Takes bytes as they are; whether they are a payload is found out when they are unpacked.
impl From<&[u8]> for Payload {
    #[inline]
    fn from(source: &[u8]) -> Self {
        if source.len() > INLINE_BYTES {
            return Self::counted(Arc::from(source));
        }
        let mut bytes = [0; PADDED_BYTES];
        bytes[..source.len()].copy_from_slice(source);
        Self::from_padded(&bytes, source.len())
    }
}

impl Payload {
    /// The first `length` bytes of `padded`, which has [`PADDED_BYTES`] at least: words are copied
    /// several times quicker than a few bytes, and read back while they are still on their way to
    /// memory.
    #[inline]
    pub(super) fn from_padded(padded: &[u8], length: usize) -> Self {
        match padded.as_chunks().0.first_chunk::<WORDS>() {
            Some(words) if length <= INLINE_BYTES => {
                Self::short(words.map(u64::from_le_bytes), length as u8)
            }
            _ => Self::counted(Arc::from(&padded[..length])),
        }
    }
}

impl<'a> From<&'a Payload> for Packed<'a> {
    #[inline]
    fn from(payload: &'a Payload) -> Self {
        payload.packed()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Payload({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_on_both_sides_of_the_inline_limit() {
        for length in [0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let payload = Payload::from(bytes.as_slice());
            assert_eq!(payload.to_bytes(), bytes);
            assert_eq!(payload.clone(), payload);
            assert_eq!(payload.is_empty(), length == 0);
        }
    }

    #[test]
    fn a_clone_of_a_long_payload_shares_its_bytes() {
        let payload = Payload::from([7; 1000].as_slice());
        assert_eq!(payload.clone().head().as_ptr(), payload.head().as_ptr());
    }
}
