//! What lies in the cells: entries, and elements of lists, which have the same form.
//!
//! ```text
//!  0  commit   version << 2 | state       the one word whose store makes the record exist
//!  8  next     link in the bucket         12  flags     (elements: links to their neighbours)
//! 16  length   of the value in bytes      20  sum       checksum of what does not change
//! 24  shape    key length u16, tag u16, kind u8, extras u8, cells in this run u8, 0
//! 32  chain    first further run, cells in all     only with the extra CHAINED
//!     expiry   microseconds                        only with the extra EXPIRES
//!     key, padded with zeros to words; value, padded to words
//! ```
//! A further run begins with a word of its own: link of the next one, cells in this one. A link is
//! the number of a cell plus one, 0 is the end. All numbers may be nonsense when they are read
//! without the lock, or from a hostile segment: whatever leads on is checked against the geometry,
//! and a walk over words always has an end.

use super::core::{Core, Key};
use super::geometry::{CELL_BYTES, CELL_WORDS};
use super::words::{Words, are_bytes};
use crate::memory::Window;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Offset of the commit word.
pub const COMMIT: usize = 0;
/// Offset of the link to the next record of the bucket, or the next element.
pub const NEXT: usize = 8;
/// Offset of the flags of an entry.
pub const FLAGS: usize = 12;
/// Offset of the link to the previous element.
pub const PREVIOUS: usize = 12;
/// Offset of the length of the value.
pub const LENGTH: usize = 16;
/// Offset of the checksum.
pub const SUM: usize = 20;
/// Offset of the shape.
pub const SHAPE: usize = 24;
/// Offset of the extras.
pub const EXTRA: usize = 32;

/// Words before the extras.
pub const FIXED_WORDS: u32 = 4;

/// Not a record, or not one any more.
pub const FREE: u64 = 0;
/// An entry.
pub const ENTRY: u64 = 1;
/// An element of a list.
pub const ELEMENT: u64 = 2;

/// Extra: the record goes on in further runs.
pub const CHAINED: u8 = 1;
/// Extra: the record expires.
pub const EXPIRES: u8 = 2;

/// What the value is.
pub mod kind {
    /// Nothing.
    pub const NIL: u8 = 1;
    /// A boolean, no bytes.
    pub const FALSE: u8 = 2;
    /// A boolean, no bytes.
    pub const TRUE: u8 = 3;
    /// One word, replaced in place.
    pub const INTEGER: u8 = 4;
    /// One word, replaced in place.
    pub const DOUBLE: u8 = 5;
    /// Bytes.
    pub const BYTES: u8 = 6;
    /// Bytes in the form of the host's codec.
    pub const TABLE: u8 = 7;
    /// Three words: identity; links of the first and last element; count. The latter are derived.
    pub const LIST: u8 = 8;
}

/// A version and a state in one word.
pub fn commit_word(version: u64, state: u64) -> u64 {
    version << 2 | state
}

/// The last version that a commit word can hold.
pub const VERSION_MOST: u64 = u64::MAX >> 2;

/// The version in a commit word.
pub fn version_of(commit: u64) -> u64 {
    commit >> 2
}

/// The state in a commit word.
pub fn state_of(commit: u64) -> u64 {
    commit & 3
}

/// The link that leads to a cell.
pub fn link_to(cell: u32) -> u32 {
    cell + 1
}

/// How the parts of a record are laid out: the word at [`SHAPE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(u64);

/// The bits of a shape that say nothing about the contents: extras and run.
pub const LAYOUT_BITS: u64 = 0x00ff_ff00_0000_0000;

impl Shape {
    /// Of a record that lies in one run.
    #[inline(always)]
    pub fn new(key_length: u16, tag: u16, kind: u8, extras: u8, run: u8) -> Self {
        let key = u64::from(key_length) | u64::from(tag) << 16;
        Self(key | u64::from(kind) << 32 | u64::from(extras) << 40 | u64::from(run) << 48)
    }

    /// As a word.
    #[inline(always)]
    pub fn word(self) -> u64 {
        self.0
    }

    /// Bytes of the key.
    #[inline(always)]
    pub fn key_length(self) -> u16 {
        self.0 as u16
    }

    /// Bits of the key's hash.
    pub fn tag(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// See [`kind`].
    #[inline(always)]
    pub fn kind(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// True if the record goes on in further runs.
    #[inline(always)]
    pub fn is_chained(self) -> bool {
        self.0 & u64::from(CHAINED) << 40 != 0
    }

    /// True if the record says when it expires.
    #[inline(always)]
    pub fn expires(self) -> bool {
        self.0 & u64::from(EXPIRES) << 40 != 0
    }

    /// Cells of the first run.
    #[inline(always)]
    pub fn run(self) -> u32 {
        u32::from((self.0 >> 48) as u8)
    }

    /// True if the record lies in one cell.
    #[inline(always)]
    pub fn is_single_cell(self) -> bool {
        const RUN_AND_CHAINED: u64 = 0xff << 48 | (CHAINED as u64) << 40;
        self.0 & RUN_AND_CHAINED == 1 << 48
    }

    /// Words before the key.
    #[inline(always)]
    pub fn header_words(self) -> u32 {
        FIXED_WORDS + u32::from(self.is_chained()) + u32::from(self.expires())
    }

    /// Words of the key.
    #[inline(always)]
    pub fn key_words(self) -> u32 {
        u32::from(self.key_length()).div_ceil(8)
    }

    /// True if the value is a single word that is replaced in place.
    #[inline(always)]
    pub fn is_number(self) -> bool {
        matches!(self.kind(), kind::INTEGER | kind::DOUBLE)
    }

    /// True if a key has this length and these bits of its hash.
    #[inline(always)]
    pub fn may_have(self, key: &Key<'_>) -> bool {
        self.0 as u32 == key.bytes.len() as u32 | u32::from(key.tag) << 16
    }
}

/// A record whose shape was read and whose first run lies inside the segment.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    core: Core<'a>,
    /// The cell it begins in.
    pub cell: u32,
    /// That cell.
    head: Window<'a, CELL_BYTES>,
    /// Its layout.
    pub shape: Shape,
    /// Bytes of its value.
    pub length: u32,
}

impl<'a> Core<'a> {
    /// The record that a link leads to; `None` at the end, or if the link leads nowhere.
    #[inline(always)]
    pub fn record_at(self, link: u32) -> Option<Record<'a>> {
        self.record(link.checked_sub(1)?)
    }

    /// A record whose header says this, written by the caller into that cell.
    #[inline(always)]
    pub fn record_in(
        self,
        head: Window<'a, CELL_BYTES>,
        cell: u32,
        shape: Shape,
        length: u32,
    ) -> Record<'a> {
        Record { core: self, cell, head, shape, length }
    }

    /// The record that begins in a cell; `None` if no record can begin there.
    #[inline(always)]
    pub fn record(self, cell: u32) -> Option<Record<'a>> {
        let head = self.cell(cell)?;
        let shape = Shape(head.load(SHAPE));
        if shape.run() != 1 && !(2..=self.geometry.cells - cell).contains(&shape.run()) {
            return None;
        }
        let length = head.load_half(LENGTH);
        Some(Record { core: self, cell, head, shape, length })
    }

    /// The record that a link leads to, if it lies in one cell.
    #[inline(always)]
    pub fn single_cell_at(self, link: u32) -> Option<Record<'a>> {
        let cell = link.checked_sub(1)?;
        self.expect_touch(cell);
        let head = self.cell(cell)?;
        let shape = Shape(head.load(SHAPE));
        let record = Record { core: self, cell, head, shape, length: head.load_half(LENGTH) };
        shape.is_single_cell().then_some(record)
    }
}

impl<'a> Record<'a> {
    /// The words of the value, and what follows them, of a record in one cell that has this key.
    #[inline(always)]
    pub fn words_behind(&self, key: &Key<'_>) -> Option<&'a [AtomicU64]> {
        let places = self.cell_behind_header();
        if !self.shape.may_have(key) || !are_bytes(places, key.bytes) {
            return None;
        }
        places.get(key.bytes.len().div_ceil(8)..)
    }

    /// The commit word.
    #[inline(always)]
    pub fn commit(&self) -> u64 {
        self.head.word(COMMIT).load(Ordering::Acquire)
    }

    /// Makes the record exist, or not exist any more.
    #[inline]
    pub fn set_commit(&self, commit: u64) {
        self.head.word(COMMIT).store(commit, Ordering::Release);
        crate::fault::point();
    }

    /// The offset of a field of its header.
    #[inline(always)]
    pub fn at(&self, field: usize) -> usize {
        self.core.geometry.cell_at(self.cell) + field
    }

    /// A half word of its header.
    #[inline(always)]
    pub fn half(&self, field: usize) -> u32 {
        self.head.load_half(field)
    }

    /// Writes a half word of its header.
    #[inline]
    pub fn set_half(&self, field: usize, value: u32) {
        self.head.store_half(field, value);
    }

    /// The link to the next record of its bucket.
    #[inline(always)]
    pub fn next(&self) -> &'a AtomicU32 {
        self.head.half(NEXT)
    }

    /// When it expires, in microseconds; 0 for never.
    #[inline(always)]
    pub fn expiry_us(&self) -> u64 {
        self.expiry_field().map_or(0, |field| self.head.load(field))
    }

    /// The moment at which it expires, to be changed in place, if it has room for that.
    pub fn expiry_place(&self) -> Option<&'a AtomicU64> {
        self.expiry_field().map(|field| self.head.word(field))
    }

    #[inline(always)]
    fn expiry_field(&self) -> Option<usize> {
        let chain = usize::from(self.shape.is_chained());
        self.shape.expires().then_some(EXTRA + chain * 8)
    }

    /// Words of the value.
    #[inline]
    pub fn value_words(&self) -> u32 {
        self.length.div_ceil(8)
    }

    /// The words from the key on.
    #[inline(always)]
    pub fn words(&self) -> Words<'a> {
        self.words_after(self.shape.header_words()).unwrap_or_else(|| self.no_words())
    }

    /// The words from the value on; `None` if the record ends before.
    #[inline(always)]
    pub fn value(&self) -> Option<Words<'a>> {
        let before = self.shape.header_words() + self.shape.key_words();
        self.words_after(before).or_else(|| self.value_beyond())
    }

    /// The first two words behind the header. No header has more than six words, so they lie in the
    /// first cell.
    #[inline(always)]
    pub fn first_words(&self) -> [u64; 2] {
        let at = self.shape.header_words() as usize * 8;
        [self.head.load(at), self.head.load(at + 8)]
    }

    /// The words from the key on of a record that lies in one cell.
    #[inline(always)]
    fn single_cell(&self) -> Option<&'a [AtomicU64]> {
        if !self.shape.is_single_cell() {
            return None;
        }
        Some(self.cell_behind_header())
    }

    /// The words of the first cell behind the header of a record that does not go on elsewhere.
    #[inline(always)]
    fn cell_behind_header(&self) -> &'a [AtomicU64] {
        // Whoever made the record has checked that its first cell lies in the segment.
        let words: &[AtomicU64; CELL_WORDS] = self.head.words();
        &words[FIXED_WORDS as usize + usize::from(self.shape.expires())..]
    }

    /// The words from the key on of a record that lies in one run.
    #[inline(always)]
    pub fn side_by_side(&self) -> Option<&'a [AtomicU64]> {
        match self.single_cell() {
            Some(places) => Some(places),
            None => self.in_one_run(),
        }
    }

    #[inline(never)]
    fn in_one_run(&self) -> Option<&'a [AtomicU64]> {
        let before = self.shape.header_words();
        let count = (self.shape.run() * CELL_WORDS as u32).checked_sub(before)?;
        let is_one_run = !self.shape.is_chained();
        is_one_run.then(|| self.core.0.memory.words(self.at(before as usize * 8), count as usize))
    }

    /// The words of the value of a record that lies in one run, and what follows them.
    #[inline(always)]
    pub fn value_side_by_side(&self) -> Option<&'a [AtomicU64]> {
        self.side_by_side()?.get(self.shape.key_words() as usize..)
    }

    /// The words of the first run after so many, and those of further runs.
    #[inline(always)]
    fn words_after(&self, before: u32) -> Option<Words<'a>> {
        let left = (self.shape.run() * CELL_WORDS as u32).checked_sub(before)?;
        let next = if self.shape.is_chained() { self.half(EXTRA) } else { 0 };
        Some(Words::new(self.core, self.at(before as usize * 8), left, next))
    }

    /// What a first run without room for the header has: damage.
    #[cold]
    fn no_words(&self) -> Words<'a> {
        Words::new(self.core, self.at(0), 0, 0)
    }

    /// The words of a value that begins in a further run.
    #[cold]
    fn value_beyond(&self) -> Option<Words<'a>> {
        let mut words = self.words();
        words.skip(self.shape.key_words())?;
        Some(words)
    }

    /// The first words of the value, to be changed in place.
    #[inline(always)]
    pub fn value_places<const COUNT: usize>(&self) -> Option<[&'a AtomicU64; COUNT]> {
        match self.value_side_by_side().and_then(|places| places.first_chunk::<COUNT>()) {
            Some(places) => Some(places.each_ref()),
            None => self.scattered_places(),
        }
    }

    #[inline(never)]
    fn scattered_places<const COUNT: usize>(&self) -> Option<[&'a AtomicU64; COUNT]> {
        let mut words = self.value()?;
        let places = std::array::from_fn(|_| words.next_place());
        places.iter().all(Option::is_some).then(|| places.map(|place| place.expect("checked")))
    }

    /// True if the record has this key.
    #[inline(always)]
    pub fn has_key(&self, key: &Key<'_>) -> bool {
        self.shape.may_have(key) && self.has_bytes_of_key(key.bytes)
    }

    /// The same if the length is right.
    #[inline(always)]
    fn has_bytes_of_key(&self, bytes: &[u8]) -> bool {
        match self.single_cell() {
            Some(places) => are_bytes(places, bytes),
            None => self.has_bytes_elsewhere(bytes),
        }
    }

    /// The same for a record of several cells.
    #[inline(never)]
    fn has_bytes_elsewhere(&self, bytes: &[u8]) -> bool {
        match self.in_one_run() {
            Some(places) if places.len() * 8 >= bytes.len() => are_bytes(places, bytes),
            _ => self.words().starts_with(bytes),
        }
    }

    /// So many words of the value, of a record that lies in one run.
    #[inline(always)]
    fn value_places_of(&self, words: usize) -> Option<&'a [AtomicU64]> {
        if self.shape.is_single_cell() {
            let all: &[AtomicU64; CELL_WORDS] = self.head.words();
            let before = FIXED_WORDS + u32::from(self.shape.expires()) + self.shape.key_words();
            return all.get(before as usize..before as usize + words);
        }
        self.value_side_by_side().and_then(|it| it.get(..words))
    }

    /// Copies the value to the beginning of the buffer, which grows if need be. False if the record
    /// ends before.
    #[inline(always)]
    pub fn copy_value(&self, buffer: &mut Vec<u8>) -> bool {
        let words = self.value_words() as usize;
        let Some(places) = self.value_places_of(words) else {
            return self.read_scattered_value(buffer);
        };
        if buffer.len() < words * 8 {
            grow(buffer, words * 8);
        }
        for (bytes, place) in buffer.as_chunks_mut::<8>().0.iter_mut().zip(places) {
            *bytes = place.load(Ordering::Relaxed).to_le_bytes();
        }
        true
    }

    /// Copies the value into the buffer, in the place of what was there. False if the record ends
    /// before.
    #[inline(always)]
    pub fn read_value(&self, buffer: &mut Vec<u8>) -> bool {
        let is_whole = self.copy_value(buffer);
        buffer.truncate(self.length as usize);
        is_whole
    }

    #[inline(never)]
    fn read_scattered_value(&self, buffer: &mut Vec<u8>) -> bool {
        self.value().is_some_and(|mut words| words.read(self.length as usize, buffer))
    }

    /// Reads the key. False if the record ends before.
    pub fn read_key(&self, buffer: &mut Vec<u8>) -> bool {
        self.words().read(usize::from(self.shape.key_length()), buffer)
    }
}

#[cold]
#[inline(never)]
fn grow(buffer: &mut Vec<u8>, length: usize) {
    buffer.resize(length, 0);
}
