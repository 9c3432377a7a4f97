//! The checksum of a record.

use super::record::{FLAGS, LAYOUT_BITS, Record, Shape, kind};

/// The checksum of a record: over its shape and the words that do not change while it lives. It
/// finds flipped bits and torn writes, not malice.
#[derive(Clone, Copy, Debug)]
pub struct Sum(u64);

impl Sum {
    /// An odd number with well-mixed bits: 2^64 over the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Begins with what stands in the header. The length of the first run is left out: it says
    /// where the words lie, not what they are. The expiry, too: it changes in place.
    #[inline(always)]
    pub fn new(shape: Shape, length: u32, flags: u32) -> Self {
        let mut sum = Self(shape.word() & !LAYOUT_BITS);
        sum.add(u64::from(length) << 32 | u64::from(flags));
        sum
    }

    /// Adds a word.
    #[inline(always)]
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(Self::FACTOR);
    }

    /// The sum.
    pub fn finish(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl Record<'_> {
    /// Words of the value that the checksum covers: not those that change in place.
    pub fn summed_words(&self) -> u32 {
        match self.shape.kind() {
            kind::INTEGER | kind::DOUBLE => 0,
            kind::LIST => 1,
            _ => self.value_words(),
        }
    }

    /// The checksum as the contents have it; `None` if the record ends too early.
    pub fn computed_sum(&self, is_element: bool) -> Option<u32> {
        let flags = if is_element { 0 } else { self.half(FLAGS) };
        let mut sum = Sum::new(self.shape, self.length, flags);
        let mut words = self.words();
        for _ in 0..u64::from(self.shape.key_words()) + u64::from(self.summed_words()) {
            sum.add(words.next_word()?);
        }
        Some(sum.finish())
    }
}
