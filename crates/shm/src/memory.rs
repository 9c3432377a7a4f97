//! Words of a segment: the only way to its bytes.
//!
//! Other processes change this memory at any time, so no Rust reference to plain data ever points
//! into it: every access is one atomic of eight, four or one byte at an aligned offset, and its bounds
//! are checked. Each place has one width for ever; two widths at one place would be a race that the
//! memory model does not describe.
//!
//! Under loom the words live in ordinary arrays, one per width, which the rule above makes possible.

use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
mod mapped {
    use std::ptr::NonNull;

    use super::{AtomicU8, AtomicU32, AtomicU64};

    /// A mapping of this process. Unmapped when dropped.
    #[derive(Debug)]
    pub struct Mapping {
        base: NonNull<u8>,
        size_bytes: usize,
    }

    /// The words of a mapping: a view that its owner keeps beside the mapping and never longer.
    #[derive(Clone, Debug)]
    pub struct Memory {
        base: NonNull<u8>,
        size_bytes: usize,
    }

    // SAFETY: the mapping belongs to no thread; who owns it may be any.
    unsafe impl Send for Mapping {}
    // SAFETY: a shared mapping only gives views away.
    unsafe impl Sync for Mapping {}
    // SAFETY: every access through a view is an atomic.
    unsafe impl Send for Memory {}
    // SAFETY: as above.
    unsafe impl Sync for Memory {}

    impl Mapping {
        /// Takes over a shared, writable mapping.
        ///
        /// # Safety
        /// `base` is the start of a mapping of `size_bytes` that nobody else unmaps, page aligned.
        pub unsafe fn new(base: NonNull<u8>, size_bytes: usize) -> Self {
            Self { base, size_bytes }
        }

        /// A view of its words.
        ///
        /// # Safety
        /// The view is not used after the mapping is dropped.
        pub unsafe fn view(&self) -> Memory {
            assert!(self.size_bytes >= 8, "a segment has a header");
            Memory { base: self.base, size_bytes: self.size_bytes }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: `new` made this the only owner, and no view is used from here on. No thread is
            // inside a lock of the segment: guards borrow the owner.
            let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.size_bytes) };
            debug_assert!(result.is_ok(), "a whole mapping can be unmapped");
        }
    }

    impl Memory {
        /// Its size.
        pub fn size_bytes(&self) -> usize {
            self.size_bytes
        }

        /// Where the place at `offset` lies, which has `1 << shift` bytes and as many for alignment.
        #[inline(always)]
        fn place(&self, offset: usize, shift: u32) -> NonNull<u8> {
            // One comparison for both: the bits of a misaligned offset become the highest.
            let index = offset.rotate_right(shift);
            assert!(index < self.size_bytes >> shift, "beyond the segment, or misaligned");
            // SAFETY: the assertion keeps the result inside the mapping.
            unsafe { self.base.add(offset) }
        }

        /// Where a lock lies, which the C library works on.
        pub fn address(&self, offset: usize, size_bytes: usize) -> NonNull<u8> {
            let end = offset.checked_add(size_bytes);
            assert!(end.is_some_and(|end| end <= self.size_bytes), "beyond the segment");
            // SAFETY: the assertion keeps the result inside the mapping.
            unsafe { self.base.add(offset) }
        }

        /// Eight bytes.
        #[inline(always)]
        pub fn word(&self, offset: usize) -> &AtomicU64 {
            // SAFETY: inside the mapping and aligned; any bits are a u64; only atomics touch it.
            unsafe { self.place(offset, 3).cast().as_ref() }
        }

        /// Four bytes.
        #[inline(always)]
        pub fn half(&self, offset: usize) -> &AtomicU32 {
            // SAFETY: inside the mapping and aligned; any bits are a u32; only atomics touch it.
            unsafe { self.place(offset, 2).cast().as_ref() }
        }

        /// One byte.
        #[inline(always)]
        pub fn byte(&self, offset: usize) -> &AtomicU8 {
            // SAFETY: inside the mapping; any bits are a u8; only atomics touch it.
            unsafe { self.place(offset, 0).cast().as_ref() }
        }
    }
}

#[cfg(loom)]
mod modelled {
    use std::ptr::NonNull;
    use std::sync::Arc;

    use super::{AtomicU8, AtomicU32, AtomicU64};

    /// What stands for a mapping where none is made.
    #[derive(Debug)]
    pub struct Mapping(usize);

    impl Mapping {
        /// No model maps a file.
        ///
        /// # Safety
        /// None is needed.
        pub unsafe fn new(_base: NonNull<u8>, size_bytes: usize) -> Self {
            Self(size_bytes)
        }

        /// Memory of its size.
        ///
        /// # Safety
        /// None is needed.
        pub unsafe fn view(&self) -> Memory {
            Memory::zeroed(0, self.0)
        }
    }

    /// The part of a segment that a model uses, as arrays that loom watches.
    #[derive(Clone, Debug)]
    pub struct Memory {
        start: usize,
        words: Arc<[AtomicU64]>,
        halves: Arc<[AtomicU32]>,
    }

    impl Memory {
        /// Zeroed memory from one offset to another.
        pub fn zeroed(start: usize, end: usize) -> Self {
            Self {
                start,
                words: (start / 8..end / 8).map(|_| AtomicU64::new(0)).collect(),
                halves: (start / 4..end / 4).map(|_| AtomicU32::new(0)).collect(),
            }
        }

        /// Its size.
        pub fn size_bytes(&self) -> usize {
            self.start + self.words.len() * 8
        }

        /// Eight bytes.
        pub fn word(&self, offset: usize) -> &AtomicU64 {
            &self.words[(offset - self.start) / 8]
        }

        /// Four bytes.
        pub fn half(&self, offset: usize) -> &AtomicU32 {
            &self.halves[(offset - self.start) / 4]
        }

        /// One byte: only dictionaries that are not exact have any.
        pub fn byte(&self, _offset: usize) -> &AtomicU8 {
            unreachable!("a modelled dictionary is exact")
        }
    }
}

#[cfg(not(loom))]
pub use mapped::{Mapping, Memory};
#[cfg(loom)]
pub use modelled::{Mapping, Memory};

/// Short forms for the orders that nearly every access has.
impl Memory {
    /// Eight bytes, relaxed.
    #[inline]
    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Relaxed)
    }

    /// Writes eight bytes, relaxed.
    #[inline]
    pub fn store(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Relaxed);
    }

    /// Four bytes, relaxed.
    #[inline]
    pub fn load_half(&self, offset: usize) -> u32 {
        self.half(offset).load(Ordering::Relaxed)
    }

    /// Writes four bytes, relaxed.
    #[inline]
    pub fn store_half(&self, offset: usize, value: u32) {
        self.half(offset).store(value, Ordering::Relaxed);
    }
}
