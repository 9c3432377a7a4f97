//! Large pages: 2 MiB in the place of 4 KiB, where the system has them.
//!
//! A random access to a dictionary of many megabytes misses the processor's cache of addresses as well,
//! and the way through the page tables costs as much again as the memory itself, twice over in a virtual
//! machine. All of a segment is reserved when it is made, so large pages take no more memory than small
//! ones; the page tables of every process shrink to nothing.
//!
//! Whoever makes a segment asks the kernel to put its pages together (`MADV_COLLAPSE`, Linux 6.1), which
//! no setting of the system has to allow. Whoever maps it chooses an address where a large page can lie.
//! Where any of it fails the pages stay small, and nothing else changes.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Size of a large page of x86-64, and of arm64 with pages of 4 KiB.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// `MADV_COLLAPSE` of `asm-generic/mman-common.h`.
const MADV_COLLAPSE: c_int = 25;

/// Maps a file, at a multiple of the size of a large page if it is as large as one.
///
/// # Errors
/// What `mmap` says.
pub fn map(file: &OwnedFd, size_bytes: usize) -> Result<NonNull<u8>, Errno> {
    let hint = if size_bytes < LARGE_PAGE_BYTES { ptr::null_mut() } else { hint(size_bytes) };
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel puts a mapping without a fixed address where it overlaps nothing.
    let base = unsafe { mmap(hint, size_bytes, protection, MapFlags::SHARED, file, 0) }?;
    NonNull::new(base.cast()).ok_or(Errno::NOMEM)
}

/// Puts the pages of a mapping together, as far as the system does that; true if it did so with all.
///
/// They must have been reserved, and nobody should use them yet: they are moved.
pub fn collapse(base: NonNull<u8>, size_bytes: usize) -> bool {
    let whole_bytes = size_bytes - size_bytes % LARGE_PAGE_BYTES;
    // SAFETY: the range is a mapping; moving its pages changes no byte of it.
    whole_bytes > 0
        && unsafe { libc::madvise(base.as_ptr().cast(), whole_bytes, MADV_COLLAPSE) } == 0
}

/// Where a mapping could begin with a large page; null if that cannot be told. Another thread may take
/// the place meanwhile: then the kernel chooses one.
fn hint(size_bytes: usize) -> *mut c_void {
    let Some(wanted_bytes) = size_bytes.checked_add(LARGE_PAGE_BYTES) else {
        return ptr::null_mut();
    };
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: as in `map`. The addresses are given back at once, and nothing was there.
    unsafe {
        let Ok(start) = mmap_anonymous(ptr::null_mut(), wanted_bytes, ProtFlags::empty(), flags)
        else {
            return ptr::null_mut();
        };
        let _ = munmap(start, wanted_bytes);
        start.map_addr(|address| address.next_multiple_of(LARGE_PAGE_BYTES))
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{FallocateFlags, MemfdFlags, ftruncate, memfd_create};

    use super::*;

    fn file(size_bytes: usize) -> OwnedFd {
        let file = memfd_create("large", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, size_bytes as u64).unwrap();
        file
    }

    #[test]
    fn a_mapping_of_a_large_page_or_more_begins_with_one() {
        for size_bytes in [LARGE_PAGE_BYTES, LARGE_PAGE_BYTES + 4096, 5 * LARGE_PAGE_BYTES - 4096] {
            let base = map(&file(size_bytes), size_bytes).unwrap();
            assert_eq!(base.addr().get() % LARGE_PAGE_BYTES, 0);
            // SAFETY: the last byte lies in the mapping, which is given back whole.
            unsafe {
                base.add(size_bytes - 1).write(1);
                munmap(base.as_ptr().cast(), size_bytes).unwrap();
            }
        }
    }

    /// How much of the mapping at an address consists of large pages, by `/proc/self/smaps`.
    fn large_kib(base: NonNull<u8>) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", base.addr());
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let line = lines.find_map(|line| line.strip_prefix("ShmemPmdMapped:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    #[test]
    fn pages_that_were_put_together_are_large_for_others_too_and_keep_their_bytes() {
        let (size_bytes, part_bytes) = (2 * LARGE_PAGE_BYTES + 4096, LARGE_PAGE_BYTES + 5);
        let file = file(size_bytes);
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size_bytes as u64).unwrap();
        let base = map(&file, size_bytes).unwrap();
        // SAFETY: the byte lies in the mapping.
        unsafe { base.add(part_bytes).write(7) };
        let are_large = collapse(base, size_bytes);
        let other = map(&file, size_bytes).unwrap();
        // SAFETY: as above, and both mappings are given back whole.
        unsafe {
            assert_eq!(base.add(part_bytes).read(), 7);
            assert_eq!(other.add(part_bytes).read(), 7);
            if are_large {
                assert_eq!(large_kib(base), (2 * LARGE_PAGE_BYTES as u64) >> 10);
                assert!(large_kib(other) > 0, "one page was touched");
            } else {
                eprintln!("skipped in part: this system has no large pages for shared memory");
            }
            munmap(base.as_ptr().cast(), size_bytes).unwrap();
            munmap(other.as_ptr().cast(), size_bytes).unwrap();
        }
    }

    #[test]
    fn a_small_one_lies_wherever_the_kernel_likes() {
        let base = map(&file(4096), 4096).unwrap();
        // SAFETY: as above.
        unsafe { munmap(base.as_ptr().cast(), 4096).unwrap() };
    }

    #[test]
    fn a_mapping_that_fails_leaves_no_addresses_reserved() {
        let sealed = std::fs::File::open("/proc/self/exe").unwrap().into();
        for _ in 0..10_000 {
            // A whole terabyte each time: the addresses would be used up soon.
            assert!(map(&sealed, 1 << 40).is_err());
        }
    }
}
