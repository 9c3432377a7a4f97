//! Large pages: 2 MiB in the place of 4 KiB, where the system has them.
//!
//! A random access to a dictionary of many megabytes misses the processor's cache of addresses as
//! well, and the way through the page tables costs as much again as the memory itself, twice over
//! in a virtual machine. All of a segment is reserved when it is made, so large pages take no more
//! memory than small ones; the page tables of every process shrink to nothing.
//!
//! Whoever makes a segment asks the kernel for large pages (`MADV_COLLAPSE`, Linux 6.1), which no
//! setting of the system has to allow. Whoever maps it chooses an address where a large page can
//! lie. Where any of it fails the pages stay small, and nothing else changes.
//!
//! Napkin: a gigabyte is reserved in 0.15 s this way, in 0.45 s by small pages, and in more than 2
//! s if small pages are put together afterwards, since each has to be moved.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Size of a large page of x86-64, and of arm64 with pages of 4 KiB.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// What is made large at a time.
const STEP_BYTES: usize = 32 * LARGE_PAGE_BYTES;

/// Time after which the rest stays small. It serves the first four gigabytes, unless memory is in
/// pieces or a virtual machine touches it for the first time, which takes ten times as long.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// What is reserved of each page before it is made larger.
const SEED_BYTES: u64 = 4096;

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

/// Gives a new, empty file in memory large pages, as far as the system has them; true if all of it
/// has got them. What is left has to be reserved as ever.
pub fn prepare(file: &OwnedFd, size_bytes: u64) -> bool {
    let Ok(whole_bytes) = usize::try_from(size_bytes - size_bytes % LARGE_PAGE_BYTES as u64) else {
        return false;
    };
    if whole_bytes == 0 || rustix::fs::ftruncate(file, size_bytes).is_err() {
        return false;
    }
    // The kernel makes a page larger, but none out of nothing.
    let has_seeds = (0..whole_bytes).step_by(LARGE_PAGE_BYTES).all(|at| {
        rustix::fs::fallocate(file, FallocateFlags::empty(), at as u64, SEED_BYTES).is_ok()
    });
    if !has_seeds {
        return false;
    }
    let Ok(base) = map(file, whole_bytes) else { return false };
    let are_large = collapse(base, whole_bytes);
    // SAFETY: the range is a mapping of this function's own, which nobody else knows.
    let _ = unsafe { munmap(base.as_ptr().cast(), whole_bytes) };
    are_large
}

/// Makes the pages of a mapping large, step by step, until one cannot be or it has taken too long.
fn collapse(base: NonNull<u8>, size_bytes: usize) -> bool {
    let begin = Instant::now();
    (0..size_bytes).step_by(STEP_BYTES).all(|at| {
        let length = STEP_BYTES.min(size_bytes - at);
        // SAFETY: the range lies in the mapping, and no byte of it changes.
        let result = unsafe { libc::madvise(base.add(at).as_ptr().cast(), length, MADV_COLLAPSE) };
        result == 0 && begin.elapsed() < TIME_LIMIT
    })
}

/// Where a mapping could begin with a large page; null if that cannot be told. Another thread may
/// take the place meanwhile: then the kernel chooses one.
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

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

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
    fn a_file_that_was_prepared_lies_in_large_pages_for_everybody() {
        let size_bytes = 2 * LARGE_PAGE_BYTES + 4096;
        let file = file(size_bytes);
        let are_large = prepare(&file, size_bytes as u64);
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size_bytes as u64).unwrap();
        let (base, other) = (map(&file, size_bytes).unwrap(), map(&file, size_bytes).unwrap());
        // SAFETY: the bytes lie in the mappings, which are given back whole.
        unsafe {
            for at in [5, LARGE_PAGE_BYTES + 5, size_bytes - 1] {
                assert_eq!(base.add(at).read(), 0);
                base.add(at).write(7);
                assert_eq!(other.add(at).read(), 7);
            }
            if are_large {
                assert_eq!(large_kib(base), (2 * LARGE_PAGE_BYTES as u64) >> 10);
                assert_eq!(large_kib(other), (2 * LARGE_PAGE_BYTES as u64) >> 10);
            } else {
                eprintln!("skipped in part: this system has no large pages for shared memory");
            }
            munmap(base.as_ptr().cast(), size_bytes).unwrap();
            munmap(other.as_ptr().cast(), size_bytes).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_smaller_than_a_large_page_is_left_alone() {
        let file = file(4096);
        assert!(!prepare(&file, 4096));
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks, 0);
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
