//! mimalloc as the allocator of the `moonhive` command, and what it can do beside allocating.
//!
//! The crate `mimalloc` asks for every block with an alignment, which takes mimalloc's general way:
//! 100 instructions where 20 do, for alignments that every block has. VMs make nothing but such
//! blocks.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

use libmimalloc_sys as mimalloc;

/// Alignment of all blocks, however small.
const LEAST_ALIGNMENT: usize = 8;
/// Alignment of all blocks of at least as many bytes (`MI_MAX_ALIGN_SIZE`, unless it was built
/// smaller).
const USUAL_ALIGNMENT: usize = 16;

/// The allocator, for `#[global_allocator]`.
///
/// ```
/// use moonhive::vm::mimalloc::Mimalloc;
///
/// #[global_allocator]
/// static ALLOCATOR: Mimalloc = Mimalloc;
///
/// assert_eq!(vec![1; 1000].iter().sum::<i32>(), 1000);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Mimalloc;

// SAFETY: mimalloc's blocks are exclusive, of at least the size asked for, and live until they are
// freed; it neither unwinds nor allocates through Rust. Alignment: see `is_usual`.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and any power of two may be asked for.
        unsafe {
            if is_usual(layout.size(), layout.align()) {
                mimalloc::mi_malloc(layout.size()).cast()
            } else {
                mimalloc::mi_malloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            if is_usual(layout.size(), layout.align()) {
                mimalloc::mi_zalloc(layout.size()).cast()
            } else {
                mimalloc::mi_zalloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller gives back a block of this allocator, and only once.
        unsafe { mimalloc::mi_free(block.cast::<c_void>()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the block is one of this allocator; the other arguments as in `alloc`.
        unsafe {
            if is_usual(new_bytes, layout.align()) {
                mimalloc::mi_realloc(block.cast::<c_void>(), new_bytes).cast()
            } else {
                mimalloc::mi_realloc_aligned(block.cast::<c_void>(), new_bytes, layout.align())
                    .cast()
            }
        }
    }
}

/// Whether a block of that size has the alignment anyway.
#[inline]
fn is_usual(bytes: usize, alignment: usize) -> bool {
    alignment <= LEAST_ALIGNMENT || (alignment <= USUAL_ALIGNMENT && bytes >= USUAL_ALIGNMENT)
}

/// Has mimalloc give back what the calling thread and the process do not use. Harmless where
/// another allocator serves the program.
pub fn trim() {
    // SAFETY: may be called at any time, on any thread; it moves and frees nothing that is in use.
    unsafe { mimalloc::mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around those where blocks get coarser, and some large ones.
    fn sizes() -> impl Iterator<Item = usize> {
        (1..300).chain([511, 520, 1000, 4097, 8200, 65_544, 1 << 20, (1 << 20) + 8])
    }

    #[test]
    fn blocks_are_aligned_as_asked() {
        for bytes in sizes() {
            for alignment in [1, 2, 4, 8, 16, 32, 64, 4096] {
                let layout = Layout::from_size_align(bytes, alignment).unwrap();
                // SAFETY: a layout of some bytes; each block is freed once, with its layout.
                unsafe {
                    for block in [Mimalloc.alloc(layout), Mimalloc.alloc_zeroed(layout)] {
                        assert!(block.addr().is_multiple_of(alignment), "{layout:?}");
                        let grown = Mimalloc.realloc(block, layout, bytes + 24);
                        assert!(grown.addr().is_multiple_of(alignment), "{layout:?}, grown");
                        Mimalloc.dealloc(
                            grown,
                            Layout::from_size_align(bytes + 24, alignment).unwrap(),
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_keeps_its_content_when_it_grows() {
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: writes and reads stay inside the block, which is freed once.
        unsafe {
            let block = Mimalloc.alloc_zeroed(layout);
            assert!((0..40).all(|at| *block.add(at) == 0));
            block.write_bytes(7, 40);
            let grown = Mimalloc.realloc(block, layout, 4000);
            assert!((0..40).all(|at| *grown.add(at) == 7));
            Mimalloc.dealloc(grown, Layout::from_size_align(4000, 8).unwrap());
        }
    }
}
