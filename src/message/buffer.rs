//! The bytes of one large string, counted: whoever reads them keeps them alive, in whatever VM.
//!
//! Each large string has a buffer of its own, so a small string never keeps a large message alive
//! and what a VM holds is what it is charged for.
//!
//! Invariants: the bytes are never written to after the buffer is made, and a zero follows them, as
//! Lua wants it. A buffer is a block of Rust's allocator, also one that a VM made: see
//! [`Buffer::adopt`].

use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// Alignment of the blocks, which is that of all blocks of a VM.
pub(crate) const BLOCK_ALIGNMENT: usize = 8;

/// Bytes that several strings and messages share. Cloning counts.
#[derive(Clone)]
pub(super) struct Buffer(Arc<Block>);

/// The block; it has a byte more than `length`, a zero.
struct Block {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the bytes are never written to, and the block belongs to no thread.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Buffer {
    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Buffer {
        let layout = layout(bytes.len());
        // SAFETY: the layout has a byte at least; that much is written, and nobody else knows the
        // block.
        unsafe {
            let Some(start) = NonNull::new(std::alloc::alloc(layout)) else {
                handle_alloc_error(layout)
            };
            start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            start.add(bytes.len()).write(0);
            Buffer::adopt(start, bytes.len())
        }
    }

    /// Takes over a block that holds `length` bytes and a zero.
    ///
    /// # Safety
    /// Rust's allocator made it with [`BLOCK_ALIGNMENT`] and exactly that size. Nobody writes to it
    /// or frees it from now on.
    pub unsafe fn adopt(start: NonNull<u8>, length: usize) -> Buffer {
        Buffer(Arc::new(Block { start, length }))
    }

    /// The bytes, without the zero.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block has that many bytes and lives as long as `self` does.
        unsafe { slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }

    /// How many they are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// How many count for it, for tests.
    #[cfg(test)]
    pub fn owners(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// What the buffer takes in memory, in bytes.
    #[inline]
    pub fn block_bytes(&self) -> usize {
        self.0.length + 1
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout; the last owner is gone.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), layout(self.length)) };
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Buffer({} bytes)", self.len())
    }
}

/// Of a block for `length` bytes and a zero.
fn layout(length: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and no slice or string has `isize::MAX - 8` bytes.
    unsafe { Layout::from_size_align_unchecked(length + 1, BLOCK_ALIGNMENT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_bytes_and_a_zero_behind_them() {
        let buffer = Buffer::copy_of(b"some text");
        assert_eq!((buffer.bytes(), buffer.len()), (&b"some text"[..], 9));
        // SAFETY: the block has a byte more than the text.
        assert_eq!(unsafe { *buffer.bytes().as_ptr().add(9) }, 0);
    }

    #[test]
    fn clones_share_the_bytes_and_outlive_the_first() {
        let first = Buffer::copy_of(&[7; 100]);
        let (address, second) = (first.bytes().as_ptr(), first.clone());
        drop(first);
        assert_eq!((second.bytes(), second.bytes().as_ptr()), (&[7; 100][..], address));
    }
}
