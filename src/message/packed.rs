//! A payload whose large strings lie beside its bytes, and what reads a payload of either kind.
//!
//! In the bytes each of these strings is one tag; they follow one another in the order of the tags.
//! A payload that leaves the process, or is looked at as bytes, is made *whole* first: every tag
//! becomes a string in full.

use std::borrow::Cow;

use super::buffer::Buffer;
use super::format::long_header;

/// Bytes that a large string needs in a whole payload besides its own and its tag.
pub(super) const HEADER_GROWTH_BYTES: usize = 4;

/// A large string of a payload.
#[derive(Debug)]
pub(super) struct Attached {
    /// Where its tag stands in the bytes.
    pub at: usize,
    pub buffer: Buffer,
}

/// What a payload with large strings consists of.
#[derive(Debug)]
pub(super) struct Parts {
    pub bytes: Box<[u8]>,
    pub attached: Box<[Attached]>,
}

/// The form in which a payload is read: bytes, and the large strings beside them.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) attached: &'a [Attached],
}

impl<'a> Packed<'a> {
    /// As many bytes as the whole payload has.
    pub(super) fn whole_bytes(self) -> usize {
        self.bytes.len() + grown_bytes(self.attached)
    }

    /// The bytes, with large strings in their places.
    pub(super) fn whole(self) -> Cow<'a, [u8]> {
        if self.attached.is_empty() {
            return Cow::Borrowed(self.bytes);
        }
        let mut whole = Vec::with_capacity(self.whole_bytes());
        let mut done = 0;
        for Attached { at, buffer } in self.attached {
            whole.extend_from_slice(&self.bytes[done..*at]);
            whole.extend_from_slice(&long_header(buffer.len()));
            whole.extend_from_slice(buffer.bytes());
            done = at + 1;
        }
        whole.extend_from_slice(&self.bytes[done..]);
        Cow::Owned(whole)
    }
}

impl<'a> From<&'a [u8]> for Packed<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, attached: &[] }
    }
}

/// Bytes that large strings add to those of their payload when it is made whole.
pub(super) fn grown_bytes(attached: &[Attached]) -> usize {
    attached.iter().map(|large| HEADER_GROWTH_BYTES + large.buffer.len()).sum()
}
