//! Words of a segment: the only way to its bytes.
//!
//! Other processes change this memory at any time, so no Rust reference to plain data ever points
//! into it: every access is one atomic of eight, four or one byte at an aligned offset, and its
//! bounds are checked. Each place has one width for ever; two widths at one place would be a race
//! that the memory model does not describe.
//!
//! Under loom the words live in ordinary arrays, one per width, which the rule above makes
//! possible.

use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
mod mapped {
    use std::marker::PhantomData;
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

    /// So many bytes of a segment whose bounds were checked once: what is looked at inside costs no
    /// further check where the field is known to the compiler.
    #[derive(Clone, Copy, Debug)]
    pub struct Window<'a, const BYTES: usize> {
        start: NonNull<u8>,
        memory: PhantomData<&'a Memory>,
    }

    /// So many equal places of a segment side by side, whose bounds were checked once: one
    /// comparison finds a place by its number. A view, as [`Memory`] is.
    #[derive(Clone, Debug)]
    pub struct Rows<const BYTES: usize> {
        base: NonNull<u8>,
        count: usize,
    }

    // SAFETY: the mapping belongs to no thread; who owns it may be any.
    unsafe impl Send for Mapping {}
    // SAFETY: a shared mapping only gives views away.
    unsafe impl Sync for Mapping {}
    // SAFETY: every access through a view is an atomic.
    unsafe impl Send for Memory {}
    // SAFETY: as above.
    unsafe impl Sync for Memory {}

    // SAFETY: as for the view that it is a part of.
    unsafe impl<const BYTES: usize> Send for Rows<BYTES> {}
    // SAFETY: as above.
    unsafe impl<const BYTES: usize> Sync for Rows<BYTES> {}

    // SAFETY: as for the view that it is a part of.
    unsafe impl<const BYTES: usize> Send for Window<'_, BYTES> {}
    // SAFETY: as above.
    unsafe impl<const BYTES: usize> Sync for Window<'_, BYTES> {}

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
        /// Neither the view nor what is made of it is used after the mapping is dropped.
        pub unsafe fn view(&self) -> Memory {
            assert!(self.size_bytes >= 8, "a segment has a header");
            Memory { base: self.base, size_bytes: self.size_bytes }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: `new` made this the only owner, and no view is used from here on. No thread
            // is inside a lock of the segment: guards borrow the owner.
            let result = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.size_bytes) };
            debug_assert!(result.is_ok(), "a whole mapping can be unmapped");
        }
    }

    #[cfg(miri)]
    impl Memory {
        /// Zeroed memory of this process that is never given back: Miri maps no files.
        pub fn zeroed(size_bytes: usize) -> Self {
            let layout = std::alloc::Layout::from_size_align(size_bytes, 4096).expect("a size");
            // SAFETY: the size is that of a dictionary, not zero.
            let base = unsafe { std::alloc::alloc_zeroed(layout) };
            Self { base: NonNull::new(base).expect("there is memory"), size_bytes }
        }
    }

    impl Memory {
        /// Its size.
        pub fn size_bytes(&self) -> usize {
            self.size_bytes
        }

        /// Where the place at `offset` lies, which has `1 << shift` bytes and as many for
        /// alignment.
        #[inline(always)]
        fn place(&self, offset: usize, shift: u32) -> NonNull<u8> {
            // One comparison for both: the bits of a misaligned offset become the highest.
            let index = offset.rotate_right(shift);
            assert!(index < self.size_bytes >> shift, "beyond the segment, or misaligned");
            // SAFETY: the assertion keeps the result inside the mapping.
            unsafe { self.base.add(offset) }
        }

        /// Asks the processor for the cache line of a place that is about to be written: what lies
        /// in several lines is then on its way all at once. A hint, which changes nothing.
        #[inline(always)]
        pub fn expect_write(&self, offset: usize) {
            // A read hint would not do: it fetches a line that another processor has written
            // without the right to write to it.
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            // SAFETY: the instruction accesses no memory as the language sees it and never faults,
            // whatever the address; a processor that does not know it does nothing.
            unsafe {
                let place = self.base.as_ptr().wrapping_add(offset);
                std::arch::asm!(
                    "prefetchw [{place}]",
                    place = in(reg) place,
                    options(nostack, preserves_flags, readonly)
                );
            }
            #[cfg(not(all(target_arch = "x86_64", not(miri))))]
            let _ = offset;
        }

        /// Asks the processor for the cache line of a place that is about to be read. A hint, which
        /// changes nothing.
        #[inline(always)]
        pub fn expect_read(&self, offset: usize) {
            expect_read(self.base.as_ptr().wrapping_add(offset));
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

        /// So many words of eight bytes, side by side.
        #[inline(always)]
        pub fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
            let room = self.size_bytes.checked_sub(offset);
            let fits = offset.is_multiple_of(8) && room.is_some_and(|room| count <= room / 8);
            assert!(fits, "beyond the segment, or misaligned");
            // SAFETY: inside the mapping and aligned; any bits are words; only atomics touch them.
            unsafe { std::slice::from_raw_parts(self.base.add(offset).cast().as_ptr(), count) }
        }

        /// The `count` places of `BYTES` bytes each from `offset` on, which is a multiple of eight.
        pub fn rows<const BYTES: usize>(&self, offset: usize, count: usize) -> Rows<BYTES> {
            let room = self.size_bytes.checked_sub(offset);
            let fits = offset.is_multiple_of(8) && room.is_some_and(|room| count <= room / BYTES);
            assert!(fits, "beyond the segment, or misaligned");
            // SAFETY: the assertion keeps the result inside the mapping.
            Rows { base: unsafe { self.base.add(offset) }, count }
        }

        /// The bytes from `offset` on, which is a multiple of eight.
        #[inline(always)]
        pub fn window<const BYTES: usize>(&self, offset: usize) -> Window<'_, BYTES> {
            // One comparison for both, as in `place`.
            let places = (self.size_bytes >> 3).saturating_sub(BYTES.div_ceil(8) - 1);
            assert!(offset.rotate_right(3) < places, "beyond the segment, or misaligned");
            // SAFETY: the assertion keeps the result inside the mapping.
            Window { start: unsafe { self.base.add(offset) }, memory: PhantomData }
        }
    }

    #[inline(always)]
    fn expect_read(place: *const u8) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: as in `expect_write`.
        unsafe {
            std::arch::asm!(
                "prefetcht0 [{place}]",
                place = in(reg) place,
                options(nostack, preserves_flags, readonly)
            );
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = place;
    }

    impl<const BYTES: usize> Rows<BYTES> {
        /// As [`Memory::expect_read`], of the place of a number.
        #[inline(always)]
        pub fn expect_read(&self, index: usize) {
            expect_read(self.base.as_ptr().wrapping_add(index * BYTES));
        }

        /// The place of a number; `None` if there is none.
        #[inline(always)]
        pub fn get(&self, index: usize) -> Option<Window<'_, BYTES>> {
            // SAFETY: the place lies among those whose bounds were checked.
            let start = || unsafe { self.base.add(index * BYTES) };
            (index < self.count).then(|| Window { start: start(), memory: PhantomData })
        }

        /// The place of a number that there is.
        #[inline(always)]
        pub fn row(&self, index: usize) -> Window<'_, BYTES> {
            assert!(index < self.count, "beyond the last place");
            // SAFETY: as above.
            Window { start: unsafe { self.base.add(index * BYTES) }, memory: PhantomData }
        }
    }

    impl<'a, const BYTES: usize> Window<'a, BYTES> {
        /// Where it begins: for a lock, which the C library works on.
        #[cfg(not(miri))]
        #[inline(always)]
        pub fn address(self) -> NonNull<u8> {
            self.start
        }

        #[inline(always)]
        fn place(self, field: usize, size_bytes: usize) -> NonNull<u8> {
            let fits = field.is_multiple_of(size_bytes) && field <= BYTES - size_bytes;
            assert!(fits, "beyond the window, or misaligned");
            // SAFETY: the window lies inside the mapping, and the place inside the window.
            unsafe { self.start.add(field) }
        }

        /// Eight bytes.
        #[inline(always)]
        pub fn word(self, field: usize) -> &'a AtomicU64 {
            // SAFETY: inside the mapping and aligned, as the window is; any bits are a u64; only
            // atomics touch it.
            unsafe { self.place(field, 8).cast().as_ref() }
        }

        /// Four bytes.
        #[inline(always)]
        pub fn half(self, field: usize) -> &'a AtomicU32 {
            // SAFETY: as above, for a u32.
            unsafe { self.place(field, 4).cast().as_ref() }
        }

        /// One byte.
        #[inline(always)]
        pub fn byte(self, field: usize) -> &'a AtomicU8 {
            // SAFETY: as above, for a u8.
            unsafe { self.place(field, 1).cast().as_ref() }
        }

        /// The first bytes of it, as many as are wanted, which is a multiple of eight.
        #[inline(always)]
        pub fn first<const PART: usize>(self) -> Window<'a, PART> {
            const { assert!(PART <= BYTES) };
            Window { start: self.start, memory: PhantomData }
        }

        /// All of it as words of eight bytes.
        #[inline(always)]
        pub fn words<const WORDS: usize>(self) -> &'a [AtomicU64; WORDS] {
            const { assert!(WORDS * 8 <= BYTES) };
            // SAFETY: inside the mapping and aligned, as the window is; any bits are words; only
            // atomics touch them.
            unsafe { self.start.cast().as_ref() }
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

        /// A hint that changes nothing.
        pub fn expect_write(&self, _offset: usize) {}

        /// A hint that changes nothing.
        pub fn expect_read(&self, _offset: usize) {}

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

        /// So many words of eight bytes, side by side.
        pub fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
            &self.words[(offset - self.start) / 8..][..count]
        }

        /// Equal places side by side. A model may have fewer than it says.
        pub fn rows<const BYTES: usize>(&self, offset: usize, count: usize) -> Rows<BYTES> {
            Rows { memory: self.clone(), start: offset, count }
        }

        /// The bytes from `offset` on.
        pub fn window<const BYTES: usize>(&self, offset: usize) -> Window<'_, BYTES> {
            Window { memory: self, offset }
        }
    }

    /// Equal places of the modelled part side by side.
    #[derive(Clone, Debug)]
    pub struct Rows<const BYTES: usize> {
        memory: Memory,
        start: usize,
        count: usize,
    }

    impl<const BYTES: usize> Rows<BYTES> {
        /// A hint that changes nothing.
        pub fn expect_read(&self, _index: usize) {}

        /// The place of a number; `None` if there is none.
        pub fn get(&self, index: usize) -> Option<Window<'_, BYTES>> {
            (index < self.count).then(|| self.memory.window(self.start + index * BYTES))
        }

        /// The place of a number that there is.
        pub fn row(&self, index: usize) -> Window<'_, BYTES> {
            self.get(index).expect("there is such a place")
        }
    }

    /// Some bytes of the modelled part.
    #[derive(Clone, Copy, Debug)]
    pub struct Window<'a, const BYTES: usize> {
        memory: &'a Memory,
        offset: usize,
    }

    impl<'a, const BYTES: usize> Window<'a, BYTES> {
        /// Eight bytes.
        pub fn word(self, field: usize) -> &'a AtomicU64 {
            self.memory.word(self.offset + field)
        }

        /// Four bytes.
        pub fn half(self, field: usize) -> &'a AtomicU32 {
            self.memory.half(self.offset + field)
        }

        /// One byte: only dictionaries that are not exact have any.
        pub fn byte(self, _field: usize) -> &'a AtomicU8 {
            unreachable!("a modelled dictionary is exact")
        }

        /// The first bytes of it, as many as are wanted, which is a multiple of eight.
        pub fn first<const PART: usize>(self) -> Window<'a, PART> {
            Window { memory: self.memory, offset: self.offset }
        }

        /// All of it as words of eight bytes.
        pub fn words<const WORDS: usize>(self) -> &'a [AtomicU64; WORDS] {
            self.memory.words(self.offset, WORDS).try_into().expect("as many as asked for")
        }
    }
}

#[cfg(not(loom))]
pub use mapped::{Mapping, Memory, Rows, Window};
#[cfg(loom)]
pub use modelled::{Mapping, Memory, Rows, Window};

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

/// The same for the fields of a window.
impl<const BYTES: usize> Window<'_, BYTES> {
    /// Eight bytes, relaxed.
    #[inline(always)]
    pub fn load(self, field: usize) -> u64 {
        self.word(field).load(Ordering::Relaxed)
    }

    /// Writes eight bytes, relaxed.
    #[inline(always)]
    pub fn store(self, field: usize, value: u64) {
        self.word(field).store(value, Ordering::Relaxed);
    }

    /// Four bytes, relaxed.
    #[inline(always)]
    pub fn load_half(self, field: usize) -> u32 {
        self.half(field).load(Ordering::Relaxed)
    }

    /// Writes four bytes, relaxed.
    #[inline(always)]
    pub fn store_half(self, field: usize, value: u32) {
        self.half(field).store(value, Ordering::Relaxed);
    }
}
