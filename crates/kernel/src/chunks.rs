//! A list that grows without moving what it holds: chunks of a fixed size instead of one block that
//! is copied into a larger one again and again.
//!
//! Why: slabs of timers and tasks grow to megabytes. A block that doubles leaves its earlier halves
//! behind, so that the process keeps twice what is used, and whoever adds the one item too many
//! waits for the copy, with the lock that it holds.
//!
//! Napkin: the first chunk is an ordinary vector and costs what one costs, which is all that most
//! lists need; an item beyond it is one read further away.

use std::ops::{Index, IndexMut};

/// Bits of an index that name the place within a chunk.
const CHUNK_BITS: u32 = 10;
/// Items of one chunk.
const CHUNK_ITEMS: usize = 1 << CHUNK_BITS;

/// The list; see the module's text.
#[derive(Debug)]
pub struct Chunks<T> {
    first: Vec<T>,
    /// The chunks after the first one; all but the last are full.
    others: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { first: Vec::new(), others: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// Items in the list.
    pub fn len(&self) -> usize {
        match self.others.split_last() {
            Some((last, full)) => (full.len() + 1) * CHUNK_ITEMS + last.len(),
            None => self.first.len(),
        }
    }

    /// Whether the list holds nothing.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Appends an item; beyond the first chunk it stays in its place from now on.
    #[inline(always)]
    pub fn push(&mut self, item: T) {
        if self.first.len() < CHUNK_ITEMS { self.first.push(item) } else { self.push_far(item) }
    }

    #[inline(never)]
    fn push_far(&mut self, item: T) {
        match self.others.last_mut() {
            Some(last) if last.len() < CHUNK_ITEMS => last.push(item),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_ITEMS);
                chunk.push(item);
                self.others.push(chunk);
            }
        }
    }

    /// The item at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        match self.first.get(index) {
            None => {
                self.others.get((index >> CHUNK_BITS).wrapping_sub(1))?.get(index % CHUNK_ITEMS)
            }
            found => found,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index < self.first.len() {
            return self.first.get_mut(index);
        }
        self.others.get_mut((index >> CHUNK_BITS).wrapping_sub(1))?.get_mut(index % CHUNK_ITEMS)
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.others.iter().flatten())
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        self.get(index).expect("the list has an item at the index")
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("the list has an item at the index")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn filled(count: usize) -> Chunks<usize> {
        let mut chunks = Chunks::default();
        (0..count).for_each(|number| chunks.push(number));
        chunks
    }

    #[test]
    fn items_are_found_where_they_were_put() {
        for count in [0, 1, CHUNK_ITEMS - 1, CHUNK_ITEMS, CHUNK_ITEMS + 1, 3 * CHUNK_ITEMS + 7] {
            let mut chunks = filled(count);
            assert_eq!((chunks.len(), chunks.is_empty()), (count, count == 0));
            assert!((0..count).all(|index| chunks[index] == index));
            assert!(chunks.iter().copied().eq(0..count));
            assert_eq!(chunks.get(count), None);
            assert_eq!(chunks.get_mut(count), None);
        }
    }

    #[test]
    fn an_item_changes_in_its_place() {
        let mut chunks = filled(2 * CHUNK_ITEMS);
        chunks[CHUNK_ITEMS] = 7;
        *chunks.get_mut(0).expect("the first") = 8;
        assert_eq!([chunks[0], chunks[1], chunks[CHUNK_ITEMS]], [8, 1, 7]);
    }

    #[test]
    fn growing_moves_nothing_beyond_the_first_chunk() {
        let mut chunks = filled(CHUNK_ITEMS + 1);
        let place = std::ptr::from_ref(&chunks[CHUNK_ITEMS]);
        (0..3 * CHUNK_ITEMS).for_each(|number| chunks.push(number));
        assert_eq!(std::ptr::from_ref(&chunks[CHUNK_ITEMS]), place);
    }
}
