//! Large strings between a VM and a payload: taken along without a copy, where that is possible.
//!
//! A string of [`LARGE_BYTES`] or more lies beside the packed bytes, in a [`Buffer`]. The
//! receiver's string is one of Lua's *external* strings, which points into the buffer and counts
//! for it until the collector frees the string. Sending such a string on takes its buffer along.
//! The first sender copies once, unless its string is a block of its own (what `table.concat`,
//! `string.rep`, `string.format` and reads from files make): then the block becomes the buffer, and
//! nothing is copied at all.
//!
//! What is charged: every VM that has a string in a buffer is charged for all of the buffer, by its
//! allocator and by its collector, as if the string were its own. So a limit cannot be passed and
//! garbage is felt; the sum over all services counts a shared buffer several times, never too few.
//!
//! Invariant: every holder of a string that this module meets is a [`Held`]; nothing else makes
//! holders.

use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};

use moonhive_lua_sys::external::{Holder, Long, lua_pushheld};
use moonhive_lua_sys::lua::{self, lua_State};

use super::buffer::Buffer;

/// Strings of at least so many bytes are not copied. Measured (`docs/benchmarks.md`): at 4 KiB the
/// buffer, its count and its place in the payload cost what the copies do, at 8 KiB less, at 64 KiB
/// a third.
pub const LARGE_BYTES: usize = 8 << 10;

/// What counts the memory of a VM: the user data of its allocator, and how a block became another
/// size.
pub type Charge = unsafe fn(owner: *mut c_void, old_bytes: usize, new_bytes: usize);

/// Leave to share buffers with VMs of one kind.
#[derive(Clone, Copy)]
pub struct Heap {
    charge: Charge,
}

impl Heap {
    /// # Safety
    /// Codec and options are used with VMs only whose allocator takes all blocks from Rust's,
    /// aligned to 8 bytes. `charge` may be called with the user data of such an allocator, by the
    /// thread that runs the VM or closes it.
    pub const unsafe fn new(charge: Charge) -> Heap {
        Heap { charge }
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Heap")
    }
}

/// What a string of one VM has of a buffer.
#[repr(C)]
struct Held {
    /// First, so that the address of one is that of the other.
    holder: Holder,
    buffer: Buffer,
    heap: Heap,
    /// What `heap` charges.
    owner: *mut c_void,
}

impl Held {
    /// Leaks one; [`release`] takes it back.
    fn leak(buffer: Buffer, heap: Heap, owner: *mut c_void) -> NonNull<Holder> {
        let held = Held { holder: Holder { release }, buffer, heap, owner };
        NonNull::from(Box::leak(Box::new(held))).cast()
    }
}

/// A string is freed, by the collector or with its VM.
///
/// # Safety
/// The holder is one that [`Held::leak`] made, and nobody uses it afterwards.
unsafe extern "C" fn release(holder: *mut Holder) {
    // SAFETY: by contract. The owner lives as long as its VM, which is about to forget the string.
    unsafe {
        let held = Box::from_raw(holder.cast::<Held>());
        (held.heap.charge)(held.owner, held.buffer.block_bytes(), 0);
    }
}

/// The buffer that a large string of a VM has, is made to have, or is copied to.
///
/// # Safety
/// The string is one of the VM of `state`, which this thread may use, and `heap` suits it.
pub(super) unsafe fn buffer_of(state: *mut lua_State, string: Long<'_>, heap: Heap) -> Buffer {
    if let Some(holder) = string.holder() {
        // SAFETY: all holders are ours, and this one lives as long as its string.
        return unsafe { holder.cast::<Held>().as_ref() }.buffer.clone();
    }
    // SAFETY: by contract.
    match unsafe { string.owns_block(state) } {
        // SAFETY: as was just asked.
        true => unsafe { take_over(state, string, heap) },
        false => Buffer::copy_of(string.bytes()),
    }
}

/// Makes the block of a string a buffer. The string is already charged for it.
///
/// # Safety
/// As [`buffer_of`], and the string owns its block.
#[cold]
unsafe fn take_over(state: *mut lua_State, string: Long<'_>, heap: Heap) -> Buffer {
    let bytes = string.bytes();
    // SAFETY: the block is one of Rust's allocator by the contract of `Heap`, of a byte more than
    // the string has. From here on nobody but the buffer frees it, and Lua writes to no string.
    unsafe {
        let buffer = Buffer::adopt(NonNull::from(bytes).cast(), bytes.len());
        let holder = Held::leak(buffer.clone(), heap, owner_of(state));
        string.hand_over(state, holder);
        buffer
    }
}

/// Pushes a string that lies in the buffer.
///
/// # Safety
/// `state` is a state that this thread may use, with room for a value, and `heap` suits it. A
/// memory error of the VM is raised.
pub(super) unsafe fn push_large(state: *mut lua_State, buffer: &Buffer, heap: Heap) {
    // SAFETY: by contract. The holder keeps the buffer alive until Lua frees the string, also if
    // pushing it fails; a zero follows the bytes, which are more than a short string has.
    unsafe {
        let owner = owner_of(state);
        (heap.charge)(owner, 0, buffer.block_bytes());
        let holder = Held::leak(buffer.clone(), heap, owner);
        lua_pushheld(state, buffer.bytes().as_ptr().cast(), buffer.len(), holder.as_ptr());
    }
}

/// The user data of the VM's allocator.
///
/// # Safety
/// The state is live.
unsafe fn owner_of(state: *mut lua_State) -> *mut c_void {
    let mut owner = ptr::null_mut();
    // SAFETY: by contract.
    unsafe { lua::lua_getallocf(state, &mut owner) };
    owner
}
