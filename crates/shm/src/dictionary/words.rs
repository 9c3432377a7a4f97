//! The words of a record behind its header, which may lie in several runs; and bytes as words.

use super::core::Core;
use super::geometry::{CELL_BYTES, CELL_WORDS};
use super::sum::Sum;
use crate::sync::{AtomicU64, Ordering};

/// A walk over the words of a record, from run to run.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    core: Core<'a>,
    at: usize,
    left: u32,
    next: u32,
}

impl<'a> Words<'a> {
    /// Those from an offset on: so many side by side, then those of the run that a link leads to.
    #[inline(always)]
    pub fn new(core: Core<'a>, at: usize, left: u32, next: u32) -> Self {
        Self { core, at, left, next }
    }

    /// The next words that lie side by side, at most `most`.
    #[inline(always)]
    pub fn stretch(&mut self, most: u32) -> Option<&'a [AtomicU64]> {
        let (at, count) = self.advance(most)?;
        Some(self.core.0.memory.words(at, count as usize))
    }

    /// Passes over what lies side by side, at most `most` words: where it lies, and how many they
    /// are.
    #[inline(always)]
    fn advance(&mut self, most: u32) -> Option<(usize, u32)> {
        if self.left == 0 {
            self.enter_next_run()?;
        }
        let count = self.left.min(most);
        let at = self.at;
        self.at += count as usize * 8;
        self.left -= count;
        Some((at, count))
    }

    /// The next word, to be changed in place.
    #[inline(always)]
    pub fn next_place(&mut self) -> Option<&'a AtomicU64> {
        self.advance(1).map(|(at, _)| self.core.0.memory.word(at))
    }

    /// The next word.
    #[inline(always)]
    pub fn next_word(&mut self) -> Option<u64> {
        self.next_place().map(|place| place.load(Ordering::Relaxed))
    }

    #[cold]
    fn enter_next_run(&mut self) -> Option<()> {
        let (cell, length) = self.core.run_at(self.next)?;
        let at = self.core.geometry.cell_at(cell);
        self.next = self.core.memory.load_half(at);
        self.at = at + 8;
        self.left = length * CELL_WORDS as u32 - 1;
        Some(())
    }

    /// Passes over so many words.
    #[inline(always)]
    pub fn skip(&mut self, words: u32) -> Option<()> {
        let mut left = words;
        while left > 0 {
            left -= self.advance(left)?.1;
        }
        Some(())
    }

    /// True if the next words are these bytes, padded with zeros.
    #[inline(always)]
    pub fn starts_with(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(places) = self.stretch(rest.len().div_ceil(8) as u32) else { return false };
            for place in places {
                let (word, after) = first_word(rest);
                if place.load(Ordering::Relaxed) != word {
                    return false;
                }
                rest = after;
            }
        }
        true
    }

    /// Copies `length` bytes into the buffer, in the place of what was there. False if the record
    /// ends before.
    #[inline]
    pub fn read(&mut self, length: usize, buffer: &mut Vec<u8>) -> bool {
        if length > self.core.geometry.cells as usize * CELL_BYTES {
            return false;
        }
        buffer.resize(length.next_multiple_of(8), 0);
        let mut rest = &mut buffer[..];
        while !rest.is_empty() {
            let Some(places) = self.stretch((rest.len() / 8) as u32) else { return false };
            let (part, after) = rest.split_at_mut(places.len() * 8);
            for (bytes, place) in part.chunks_exact_mut(8).zip(places) {
                bytes.copy_from_slice(&place.load(Ordering::Relaxed).to_le_bytes());
            }
            rest = after;
        }
        buffer.truncate(length);
        true
    }

    /// Writes bytes into the next words, padded with zeros, and adds them to a checksum. False if
    /// the record ends before.
    #[inline(always)]
    pub fn write(&mut self, bytes: &[u8], sum: &mut Sum) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(places) = self.stretch(rest.len().div_ceil(8) as u32) else { return false };
            for place in places {
                let (word, after) = first_word(rest);
                place.store(word, Ordering::Relaxed);
                sum.add(word);
                rest = after;
            }
        }
        true
    }
}

impl Core<'_> {
    /// The cell and length of a further run that a link leads to.
    pub fn run_at(&self, link: u32) -> Option<(u32, u32)> {
        let cell = link.checked_sub(1)?;
        if cell >= self.geometry.cells {
            return None;
        }
        let length = self.memory.load_half(self.geometry.cell_at(cell) + 4);
        let fits =
            (1..=u32::from(u8::MAX)).contains(&length) && length <= self.geometry.cells - cell;
        fits.then_some((cell, length))
    }
}

/// The first eight bytes as a word, padded with zeros, and the rest.
#[inline(always)]
pub fn first_word(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk::<8>() {
        Some((word, rest)) => (u64::from_le_bytes(*word), rest),
        None => (last_word(bytes), &[]),
    }
}

/// Fewer than eight bytes as a word, padded with zeros. Two loads that overlap, or three, and no
/// loop.
#[inline(always)]
pub fn last_word(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << ((length - 4) * 8);
    }
    let at = |index: usize| u64::from(bytes[index]) << (index * 8);
    if length == 0 { 0 } else { at(0) | at(length / 2) | at(length - 1) }
}

/// True if words begin with these bytes, padded with zeros.
#[inline(always)]
pub fn are_bytes(places: &[AtomicU64], bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    if places.len() < words.len() + usize::from(!rest.is_empty()) {
        return false;
    }
    let is_word = |(place, word): (&AtomicU64, &[u8; 8])| {
        place.load(Ordering::Relaxed) == u64::from_le_bytes(*word)
    };
    places.iter().zip(words).all(is_word)
        && (rest.is_empty() || places[words.len()].load(Ordering::Relaxed) == last_word(rest))
}
