//! Memory of one VM: counted, limited, and never refused while our own Rust code works on it.
//!
//! Lua hands back the size of every block it frees, so counting costs two additions and no header.
//! A refusal makes Lua collect everything and ask once more; only then it raises. A refused request
//! changes nothing, so one greedy allocation does not poison the VM.
//!
//! Napkin: a service of 20 KiB makes about 300 blocks, one whose modules hold data 4,000; counting
//! must stay below a nanosecond each. So one number is kept, what is left, and there are two ways
//! that look at nothing else: for a new block, and for one that is freed.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use moonhive_lua_sys::host;

use crate::message::Heap;

/// Alignment of every block. Lua's own objects need no more than a pointer does.
pub(super) use crate::message::BLOCK_ALIGNMENT;

/// Leave for the codec to let strings lie in buffers that several VMs share.
///
/// Sound with VMs of ours: [`allocate`] takes blocks from Rust's allocator with that alignment, and
/// the user data of each is its [`Memory`], which outlives the state.
pub(super) const HEAP: Heap = {
    // SAFETY: as above.
    unsafe { Heap::new(charge) }
};

/// The largest block that Rust's allocator may be asked for.
const MAX_BLOCK_BYTES: usize = isize::MAX as usize - BLOCK_ALIGNMENT;

/// Blocks up to this size are left to the allocator, which knows better what is free.
const LARGE_BLOCK_BYTES: usize = 64 << 20;

/// Scripts may hold this share of the limit outside Lua, and no more than so much, before it is
/// looked which of it is garbage.
const HELD_SHARE: usize = 8;
const MAX_HELD_BYTES: usize = 64 << 20;

/// Figures of one VM. Written only by the thread that runs the VM.
#[derive(Debug)]
pub(super) struct Memory {
    limit_bytes: Cell<usize>,
    /// What live blocks leave of the limit; negative when they take more.
    left_bytes: Cell<isize>,
    suspended: Cell<bool>,
    /// An address inside the block to keep; see [`Memory::keep_block_of`].
    keep: Cell<*mut c_void>,
    /// That block and its size, once Lua has freed it.
    kept: Cell<(*mut c_void, usize)>,
    /// Bytes outside that nobody holds any more and that still count. Any thread may add to it.
    released_bytes: Arc<AtomicUsize>,
    /// Bytes outside that scripts have come to hold since they were last worth a collection.
    held_bytes: Cell<usize>,
}

impl Memory {
    /// No limit, nothing used, and not yet limited: the VM is being built.
    pub(super) fn new() -> Memory {
        Memory {
            limit_bytes: Cell::new(usize::MAX),
            left_bytes: Cell::new(isize::MAX),
            suspended: Cell::new(true),
            keep: Cell::new(ptr::null_mut()),
            kept: Cell::new((ptr::null_mut(), 0)),
            released_bytes: Arc::default(),
            held_bytes: Cell::new(0),
        }
    }

    /// Bytes in live blocks.
    pub(super) fn used_bytes(&self) -> usize {
        self.take_back();
        self.ceiling().wrapping_sub(self.left_bytes.get()) as usize
    }

    /// The limit, `usize::MAX` if there is none.
    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes.get()
    }

    /// Sets the limit. A VM that already uses more fails at its next growing allocation.
    pub(super) fn set_limit_bytes(&self, limit: usize) {
        let used = self.used_bytes();
        self.limit_bytes.set(limit);
        self.left_bytes.set(self.ceiling() - used as isize);
    }

    /// The limit as a number that can be subtracted from. No process can use more than that.
    fn ceiling(&self) -> isize {
        isize::try_from(self.limit_bytes.get()).unwrap_or(isize::MAX)
    }

    /// Stops or lets go on refusing; returns the previous setting.
    #[inline]
    pub(super) fn suspend(&self, suspended: bool) -> bool {
        self.suspended.replace(suspended)
    }

    /// True if the VM may use so many bytes more.
    #[inline]
    pub(super) fn has_room(&self, size_bytes: usize) -> bool {
        self.take_back();
        usize::try_from(self.left_bytes.get()).is_ok_and(|left| size_bytes <= left)
    }

    /// True if the VM uses more than it may (only possible after a suspension).
    #[inline]
    pub(super) fn is_over_limit(&self) -> bool {
        self.left_bytes.get() < 0 && self.lacks(0)
    }

    /// True if that many bytes more are not left, also with what was released.
    #[cold]
    fn lacks(&self, bytes: usize) -> bool {
        self.take_back();
        self.left_bytes.get() < bytes as isize
    }

    /// Where those who hold bytes outside tell that they hold them no longer.
    pub(super) fn released_bytes(&self) -> Arc<AtomicUsize> {
        self.released_bytes.clone()
    }

    /// A script comes to hold so many bytes outside more; true if what it holds since the last time
    /// is worth a collection. Lua does not see these bytes, and when it lacks memory itself it runs
    /// no finalizers, which alone release them.
    pub(super) fn is_worth_collecting(&self, bytes: usize) -> bool {
        let held = self.held_bytes.get().saturating_add(bytes);
        let is_worth = held > (self.limit_bytes.get() / HELD_SHARE).min(MAX_HELD_BYTES);
        self.held_bytes.set(if is_worth { 0 } else { held });
        is_worth
    }

    /// What was released does not count any more. It is looked at where the answer depends on it,
    /// so that blocks of Lua cost nothing more.
    fn take_back(&self) {
        if self.released_bytes.load(Ordering::Relaxed) != 0 {
            self.account(self.released_bytes.swap(0, Ordering::Relaxed), 0);
        }
    }

    /// From now on freeing the block that contains `address` is put off: it stays readable until
    /// [`free_kept`]. An interrupt may look at a state that has just been closed.
    pub(super) fn keep_block_of(&self, address: *mut c_void) {
        self.keep.set(address);
    }

    /// True if this freed block is the one to keep.
    #[inline]
    fn keeps(&self, block: *mut c_void, bytes: usize) -> bool {
        // No block begins above null and reaches over it.
        self.keep.get().addr().wrapping_sub(block.addr()) < bytes
    }

    /// Whether a block may grow to a size that a block may have. Of the kinds of new blocks two say
    /// more than what they are for.
    fn admits(&self, kind: usize, old: usize, new: usize) -> bool {
        let is_granted = match kind {
            host::BLOCK_MUST => true,
            host::BLOCK_TRY => false,
            _ => self.suspended.get(),
        };
        new <= old
            || is_granted
            || self.left_bytes.get() >= (new - old) as isize
            || !self.lacks(new - old)
    }

    /// True for a block that this machine cannot hold. The system would promise it all the same,
    /// and end the whole process when Lua fills it.
    fn is_absurd(&self, bytes: usize) -> bool {
        is_beyond_machine(bytes) && !self.suspended.get()
    }

    /// Counts bytes that Rust code holds for the VM. Nothing is refused, see [`charge`].
    #[inline]
    pub(super) fn count_outside(&self, old: usize, new: usize) {
        self.account(old, new);
    }

    #[inline]
    fn account(&self, old: usize, new: usize) {
        self.left_bytes.set(self.left_bytes.get() + old as isize - new as isize);
    }
}

/// Counts bytes outside that a VM keeps alive. Nothing is refused: whoever puts something large
/// into a VM asks afterwards whether it is within its limit, as with all that Rust code puts there.
///
/// # Safety
/// `owner` points to a live `Memory` that no other thread uses, which counts `old_bytes` of these.
unsafe fn charge(owner: *mut c_void, old_bytes: usize, new_bytes: usize) {
    // SAFETY: by contract.
    unsafe { &*owner.cast::<Memory>() }.account(old_bytes, new_bytes);
}

/// The `lua_Alloc` of every VM; `ud` is its [`Memory`].
///
/// # Safety
/// `ud` points to a live `Memory` that no other thread uses; `block` is null or a block of this
/// allocator with `old_bytes` bytes.
pub(super) unsafe extern "C" fn allocate(
    ud: *mut c_void,
    block: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    // SAFETY: the caller passes the `Memory` that the state was made with, which outlives the
    // state.
    let memory = unsafe { &*ud.cast::<Memory>() };
    if new_bytes == 0 {
        // SAFETY: `block` is null or ours with `old_bytes` bytes, by this function's contract.
        return unsafe { release(memory, block, old_bytes) };
    }
    let is_small = new_bytes <= LARGE_BLOCK_BYTES;
    if !block.is_null() || !is_small || memory.left_bytes.get() < new_bytes as isize {
        // SAFETY: by this function's contract, and the new size is not zero.
        return unsafe { allocate_with_care(memory, block, old_bytes, new_bytes) };
    }
    // SAFETY: the size is not zero and far below the maximum.
    let fresh = unsafe { std::alloc::alloc(layout(new_bytes)) };
    if fresh.is_null() {
        // SAFETY: as above.
        return unsafe { allocate_with_care(memory, ptr::null_mut(), 0, new_bytes) };
    }
    memory.account(0, new_bytes);
    fresh.cast()
}

/// Everything else: growth, refusals, and blocks of any size. A function of C, as [`release`] is,
/// so that [`allocate`] can jump to it.
///
/// # Safety
/// As for [`allocate`], and `new_bytes` is not zero.
#[inline(never)]
unsafe extern "C" fn allocate_with_care(
    memory: &Memory,
    block: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    // For a new block Lua passes the kind of object in `old_bytes`.
    let (kind, old_bytes) = if block.is_null() { (old_bytes, 0) } else { (0, old_bytes) };
    let is_refused = new_bytes > MAX_BLOCK_BYTES || memory.is_absurd(new_bytes);
    if is_refused || !memory.admits(kind, old_bytes, new_bytes) {
        return ptr::null_mut();
    }
    // SAFETY: by contract, and `new_bytes` is neither zero nor above the maximum.
    let grown = unsafe { resize(block, old_bytes, new_bytes) };
    if grown.is_null() {
        if memory.suspended.get() && kind != host::BLOCK_TRY {
            // A null would make Lua jump over Rust frames that own something.
            handle_alloc_error(layout(new_bytes));
        }
        return grown;
    }
    memory.account(old_bytes, new_bytes);
    grown
}

/// Frees the block that was kept while its state closed.
///
/// # Safety
/// The state made with `memory` is closed and nobody looks at its block any more.
pub(super) unsafe fn free_kept(memory: &Memory) {
    memory.keep_block_of(ptr::null_mut());
    let (block, bytes) = memory.kept.replace((ptr::null_mut(), 0));
    // SAFETY: `release` noted a block that Lua gave back with this size and that was not freed.
    unsafe { release(memory, block, bytes) };
}

/// Frees a block, unless it is the one to keep. Returns null.
///
/// # Safety
/// `block` is null or a block of this allocator with `bytes` bytes.
#[inline(never)]
unsafe extern "C" fn release(memory: &Memory, block: *mut c_void, bytes: usize) -> *mut c_void {
    if memory.keeps(block, bytes) {
        memory.kept.set((block, bytes));
    } else if !block.is_null() {
        memory.account(bytes, 0);
        // SAFETY: by the contract of this function the block was allocated with this very layout.
        unsafe { std::alloc::dealloc(block.cast(), layout(bytes)) };
    }
    ptr::null_mut()
}

/// # Safety
/// `block` is null or a block of this allocator with `old` bytes; `new` is in
/// `1..=MAX_BLOCK_BYTES`.
unsafe fn resize(block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    if block.is_null() {
        // SAFETY: `new` is not zero.
        unsafe { std::alloc::alloc(layout(new)).cast() }
    } else {
        // SAFETY: by contract the block has this layout and `new` is not zero.
        unsafe { std::alloc::realloc(block.cast(), layout(old), new).cast() }
    }
}

/// True for a block that is larger than all memory of the machine.
pub(super) fn is_beyond_machine(bytes: usize) -> bool {
    bytes > LARGE_BLOCK_BYTES && bytes > physical_memory_bytes()
}

/// Memory of this machine, or no bound at all where the system does not say.
fn physical_memory_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // SAFETY: the calls only read figures of the system.
        let figures =
            unsafe { [libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)] };
        let [pages, page_bytes] = figures.map(|figure| usize::try_from(figure).unwrap_or(0));
        match pages.saturating_mul(page_bytes) {
            0 => usize::MAX,
            bytes => bytes,
        }
    })
}

#[inline]
fn layout(bytes: usize) -> Layout {
    // SAFETY: the alignment is a power of two and `bytes` is at most MAX_BLOCK_BYTES, checked when
    // the block was requested, so rounding up cannot pass `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(bytes, BLOCK_ALIGNMENT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(memory: &Memory, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: the tests pass blocks of this allocator with their sizes.
        unsafe { allocate(ptr::from_ref(memory).cast_mut().cast(), block, old, new) }
    }

    #[test]
    fn blocks_are_counted_exactly() {
        let memory = Memory::new();
        let block = request(&memory, ptr::null_mut(), 5, 100);
        assert_eq!(memory.used_bytes(), 100);
        let block = request(&memory, block, 100, 40);
        assert_eq!(memory.used_bytes(), 40);
        assert!(request(&memory, block, 40, 0).is_null());
        assert_eq!(memory.used_bytes(), 0);
    }

    #[test]
    fn the_limit_refuses_growth_and_leaves_the_block_alone() {
        let memory = Memory::new();
        memory.suspend(false);
        memory.set_limit_bytes(128);
        let block = request(&memory, ptr::null_mut(), 0, 100);
        assert!(request(&memory, block, 100, 200).is_null());
        assert_eq!(memory.used_bytes(), 100);
        let block = request(&memory, block, 100, 120);
        assert!(!block.is_null());
        request(&memory, block, 120, 0);
    }

    #[test]
    fn a_suspended_limit_refuses_nothing_and_tells_afterwards() {
        let memory = Memory::new();
        memory.set_limit_bytes(10);
        let block = request(&memory, ptr::null_mut(), 0, 100);
        assert!(!block.is_null() && memory.is_over_limit());
        request(&memory, block, 100, 0);
        assert!(!memory.is_over_limit());
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let memory = Memory::new();
        memory.suspend(false);
        for bytes in [usize::MAX, physical_memory_bytes() + 1] {
            assert!(request(&memory, ptr::null_mut(), 0, bytes).is_null());
        }
        assert_eq!(memory.used_bytes(), 0);
    }
}
