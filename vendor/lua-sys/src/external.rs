//! Declarations of `c/lextern.h`: strings whose bytes the host holds and several VMs may read.

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use mlua_sys::lua_State;

use crate::quick::{self, Text};

/// What a string of one VM has of bytes outside; the host's own data follow.
#[repr(C)]
#[derive(Debug)]
pub struct Holder {
    /// Called when the string is freed. From then on the holder is the host's again.
    pub release: unsafe extern "C" fn(holder: *mut Holder),
}

unsafe extern "C-unwind" {
    /// Pushes a string of `length` bytes that lie at `bytes`, with a zero after them, until
    /// `holder` is released. The collector counts them as if they were the VM's. There must be
    /// room, and `length` must be beyond 40. May raise a memory error; the holder is then released.
    pub fn lua_pushheld(
        state: *mut lua_State,
        bytes: *const c_char,
        length: usize,
        holder: *mut Holder,
    );
    fn lua_holderof(text: *const c_void) -> *mut Holder;
    fn lua_ownsblock(state: *mut lua_State, text: *const c_void) -> c_int;
    fn lua_handover(state: *mut lua_State, text: *mut c_void, holder: *mut Holder);
}

/// A long string as an object of its VM, which lives for `'a`.
#[derive(Debug, Clone, Copy)]
pub struct Long<'a> {
    text: NonNull<Text>,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Long<'a> {
    /// # Safety
    /// `value` is the address of a long string, which lives for `'a`.
    #[inline]
    pub(crate) unsafe fn new(value: u64) -> Long<'a> {
        let text = std::ptr::with_exposed_provenance_mut(value as usize);
        // SAFETY: by contract it is an address.
        Long { text: unsafe { NonNull::new_unchecked(text) }, bytes: PhantomData }
    }

    /// The long string at a positive index below the top, if there is one.
    ///
    /// # Safety
    /// As [`quick::plain_at`].
    #[inline]
    pub unsafe fn at(state: *mut lua_State, index: c_int) -> Option<Long<'a>> {
        // SAFETY: by contract; the tag says what the value is.
        unsafe {
            let (tag, value) = quick::slot_at(state, index);
            (tag == quick::tag::LONG_STRING).then(|| Long::new(value))
        }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        // SAFETY: it is a live string, for as long as `new` was promised.
        unsafe { quick::text(self.text.as_ptr()) }
    }

    /// Who holds its bytes, if they lie outside by [`lua_pushheld`] or [`Long::hand_over`].
    pub fn holder(self) -> Option<NonNull<Holder>> {
        // SAFETY: the string is live and long.
        NonNull::new(unsafe { lua_holderof(self.text.as_ptr().cast()) })
    }

    /// Whether its bytes, with a zero after them, are a block of their own that the allocator of
    /// the VM made: what the buffers of the auxiliary library leave, and with them `table.concat`.
    ///
    /// # Safety
    /// It is a string of the VM of `state`, which this thread may use.
    pub unsafe fn owns_block(self, state: *mut lua_State) -> bool {
        // SAFETY: by contract.
        unsafe { lua_ownsblock(state, self.text.as_ptr().cast()) != 0 }
    }

    /// Gives that block to `holder`, whose release from now on stands in the place of freeing it.
    /// The string stays as it is.
    ///
    /// # Safety
    /// [`Long::owns_block`] is true; the holder lives, and the block with it, until it is released.
    pub unsafe fn hand_over(self, state: *mut lua_State, holder: NonNull<Holder>) {
        // SAFETY: by contract.
        unsafe { lua_handover(state, self.text.as_ptr().cast(), holder.as_ptr()) };
    }
}
