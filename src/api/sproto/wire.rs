//! The bytes of a sproto message: how a struct is laid out, read and written. All numbers are
//! little-endian.
//!
//! ```text
//! struct := count:u16 record:u16 * count data *
//! record := even, not 0   the field has the small value record / 2 - 1
//!         | 0             the field's data is the next of the data blocks
//!         | odd           the following tag is higher by (record + 1) / 2 than if nothing was left out
//! data   := size:u32 byte * size
//! ```
//!
//! Reading trusts nothing: every length is checked against what is there.

/// Larger messages are refused, in and out.
pub(super) const MESSAGE_LIMIT_BYTES: usize = 16 << 20;

/// Deepest nesting of structs.
pub(super) const DEPTH_LIMIT: usize = 64;

/// Small values are below this.
pub(super) const SMALL_LIMIT: u16 = 0x7fff;

const RECORD_BYTES: usize = 2;
const SIZE_BYTES: usize = 4;

/// Why bytes are no message, or a table cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum WireFault {
    #[error("the message ends too early")]
    Truncated,
    #[error("a number of {0} bytes")]
    NumberSize(usize),
    #[error("a value of another type than the schema says")]
    Mismatch,
    #[error("an entry of the map has no key or no value")]
    Entry,
    #[error("The table is too deep: structs are nested more than {DEPTH_LIMIT} deep")]
    Depth,
    #[error("the message is larger than {MESSAGE_LIMIT_BYTES} bytes")]
    Size,
}

/// What a struct holds for one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    Small(u16),
    Data(&'a [u8]),
}

/// Walks the fields of a struct.
pub(super) struct Fields<'a> {
    records: &'a [u8],
    data: &'a [u8],
    next_tag: u32,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Fields<'a>, WireFault> {
        let (count, rest) = bytes.split_first_chunk().ok_or(WireFault::Truncated)?;
        let size = usize::from(u16::from_le_bytes(*count)) * RECORD_BYTES;
        let (records, data) = rest.split_at_checked(size).ok_or(WireFault::Truncated)?;
        Ok(Fields { records, data, next_tag: 0 })
    }

    /// The next field and its tag.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Slot<'a>)>, WireFault> {
        while let Some((record, rest)) = self.records.split_first_chunk() {
            self.records = rest;
            let record = u16::from_le_bytes(*record);
            if record % 2 != 0 {
                self.next_tag += u32::from(record / 2) + 1;
                continue;
            }
            let tag = self.next_tag;
            self.next_tag += 1;
            let slot = match record {
                0 => Slot::Data(take_block(&mut self.data)?),
                _ => Slot::Small(record / 2 - 1),
            };
            return Ok(Some((tag, slot)));
        }
        Ok(None)
    }

    /// What follows the struct, once all fields were taken.
    pub(super) fn behind(&self) -> &'a [u8] {
        self.data
    }
}

/// Takes a block with its size in front of it from the beginning of `bytes`.
pub(super) fn take_block<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], WireFault> {
    let (size, rest) = bytes.split_first_chunk::<SIZE_BYTES>().ok_or(WireFault::Truncated)?;
    let size = u32::from_le_bytes(*size) as usize;
    let (block, rest) = rest.split_at_checked(size).ok_or(WireFault::Truncated)?;
    *bytes = rest;
    Ok(block)
}

/// A struct that is being written at the end of a buffer.
pub(super) struct Frame {
    start: usize,
    /// Where data begins while it is written: room for all records is left.
    data: usize,
    records: usize,
    next_tag: u32,
}

impl Frame {
    /// `records_max` is how many records there may be at most, left-out tags included.
    pub(super) fn begin(out: &mut Vec<u8>, records_max: usize) -> Frame {
        let start = out.len();
        let data = start + RECORD_BYTES * (records_max + 1);
        out.resize(data, 0);
        Frame { start, data, records: 0, next_tag: 0 }
    }

    /// Notes a field with a small value.
    pub(super) fn small(&mut self, out: &mut [u8], tag: u32, value: u16) {
        assert!(value < SMALL_LIMIT, "{value} is not small");
        self.field(out, tag, (value + 1) * 2);
    }

    /// Notes a field whose data was appended.
    pub(super) fn data(&mut self, out: &mut [u8], tag: u32) {
        self.field(out, tag, 0);
    }

    /// Notes that one tag is left out, even if the next field shows it anyway.
    pub(super) fn skip(&mut self, out: &mut [u8]) {
        self.record(out, 1);
        self.next_tag += 1;
    }

    fn field(&mut self, out: &mut [u8], tag: u32, record: u16) {
        let left_out = tag.checked_sub(self.next_tag).expect("fields are written in order");
        if left_out > 0 {
            let skip = u16::try_from((left_out - 1) * 2 + 1).expect("tags are below 32767");
            self.record(out, skip);
        }
        self.record(out, record);
        self.next_tag = tag + 1;
    }

    fn record(&mut self, out: &mut [u8], record: u16) {
        let place = self.start + RECORD_BYTES * (self.records + 1);
        assert!(place < self.data, "more records than announced");
        out[place..place + RECORD_BYTES].copy_from_slice(&record.to_le_bytes());
        self.records += 1;
    }

    /// Ends the struct: writes the count and closes the gap behind the records.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.records).expect("fewer records than tags");
        out[self.start..self.start + RECORD_BYTES].copy_from_slice(&count.to_le_bytes());
        let end = self.start + RECORD_BYTES * (self.records + 1);
        out.copy_within(self.data.., end);
        out.truncate(out.len() - (self.data - end));
    }
}

/// Appends a block: leaves room for its size, runs `fill`, and writes the size.
pub(super) fn put_block<E: From<WireFault>>(
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let place = out.len();
    out.extend_from_slice(&[0; SIZE_BYTES]);
    fill(out)?;
    if out.len() > MESSAGE_LIMIT_BYTES {
        return Err(WireFault::Size.into());
    }
    let size = (out.len() - place - SIZE_BYTES) as u32;
    out[place..place + SIZE_BYTES].copy_from_slice(&size.to_le_bytes());
    Ok(())
}

/// Appends a block of these bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), WireFault> {
    put_block(out, |out| {
        out.extend_from_slice(bytes);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_that_are_left_out_cost_one_record() {
        let mut out = Vec::new();
        let mut frame = Frame::begin(&mut out, 9);
        frame.small(&mut out, 1, 7);
        put_bytes(&mut out, b"ab").unwrap();
        frame.data(&mut out, 5);
        frame.finish(&mut out);
        assert_eq!(out, [4, 0, 1, 0, 16, 0, 5, 0, 0, 0, 2, 0, 0, 0, b'a', b'b']);
        let mut fields = Fields::new(&out).unwrap();
        assert_eq!(fields.next(), Ok(Some((1, Slot::Small(7)))));
        assert_eq!(fields.next(), Ok(Some((5, Slot::Data(b"ab")))));
        assert_eq!(fields.next(), Ok(None));
        assert!(fields.behind().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_or_refused(bytes: Vec<u8>) {
            if let Ok(mut fields) = Fields::new(&bytes) {
                while let Ok(Some(_)) = fields.next() {}
            }
        }

        #[test]
        fn what_is_written_is_read_again(fields in prop::collection::btree_map(0_u32..32_000, prop::option::of(0_u16..0x7fff), 0..20)) {
            let mut out = Vec::new();
            let mut frame = Frame::begin(&mut out, fields.len() * 2);
            for (&tag, value) in &fields {
                match value {
                    Some(value) => frame.small(&mut out, tag, *value),
                    None => {
                        put_bytes(&mut out, b"x").unwrap();
                        frame.data(&mut out, tag);
                    }
                }
            }
            frame.finish(&mut out);
            let mut read = Fields::new(&out).unwrap();
            for (&tag, value) in &fields {
                let slot = value.map_or(Slot::Data(b"x"), Slot::Small);
                prop_assert_eq!(read.next(), Ok(Some((tag, slot))));
            }
            prop_assert_eq!(read.next(), Ok(None));
        }
    }
}
