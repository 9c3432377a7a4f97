//! The bytes of one message, owned.
//!
//! Short payloads lie inside the value itself and cost no allocation; longer ones are counted, so a
//! payload that goes to many services is copied once. 40 bytes either way: a message that carries
//! one stays within a cache line.

use std::fmt;
use std::sync::Arc;

/// Longest payload that needs no allocation. Two integers and a short string fit.
pub const INLINE_BYTES: usize = 38;

const _: () = assert!(size_of::<Payload>() == 40);

/// Packed values on their way from one service to another. Cloning is cheap.
///
/// ```
/// use moonhive::message::{from_payload, to_payload};
///
/// let payload = to_payload(&("deposit", 250))?;
/// assert_eq!(from_payload::<(String, i64)>(&payload)?, ("deposit".to_owned(), 250));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Payload(Bytes);

#[derive(Clone)]
enum Bytes {
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Arc<[u8]>),
}

impl Payload {
    /// The payload without values.
    pub const EMPTY: Self = Self(Bytes::Inline { length: 0, bytes: [0; INLINE_BYTES] });

    /// The packed form, as [`unpack`](super::unpack) takes it.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
            return Self(Bytes::Shared(Arc::from(source)));
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..source.len()].copy_from_slice(source);
        Self(Bytes::Inline { length: source.len() as u8, bytes })
    }
}

impl Payload {
    /// The first `length` bytes of `padded`, which has [`INLINE_BYTES`] at least: a copy of fixed
    /// size is several times quicker than one of a few bytes.
    #[inline]
    pub(super) fn from_padded(padded: &[u8], length: usize) -> Self {
        match padded.first_chunk() {
            Some(&bytes) if length <= INLINE_BYTES => {
                Self(Bytes::Inline { length: length as u8, bytes })
            }
            _ => Self::from(&padded[..length]),
        }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
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
            assert_eq!(payload.as_bytes(), bytes);
            assert_eq!(payload.clone(), payload);
            assert_eq!(payload.is_empty(), length == 0);
        }
    }

    #[test]
    fn a_clone_of_a_long_payload_shares_its_bytes() {
        let payload = Payload::from([7; 1000].as_slice());
        assert_eq!(payload.clone().as_bytes().as_ptr(), payload.as_bytes().as_ptr());
    }
}
