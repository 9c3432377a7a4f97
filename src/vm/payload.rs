//! Packing values of a stack into a message and back: the safe door to the codec.

use std::ffi::c_int;

use moonhive_lua_sys::lua;

use super::alloc::HEAP;
use super::context::Context;
use super::read::Kind;
use super::stack::Stack;
use crate::message::{
    HasRoom, PackError, PackOptions, Payload, PlainRequest, ProtectedCall, UnpackError,
    UnpackOptions, pack_long, pack_plain, unpack, unpack_short,
};

impl Stack<'_> {
    /// Packs `count` values, beginning with the one at `first`; the stack stays as it was. `root`
    /// is what errors call the list of values: `args` in `args[2].cb`.
    ///
    /// # Errors
    /// [`PackError`] names the first value that cannot be sent.
    #[inline(always)]
    pub fn pack(
        &mut self,
        first: c_int,
        count: c_int,
        root: &'static str,
    ) -> Result<Payload, PackError> {
        self.pack_with(first, count, |_, _| PackOptions {
            root,
            heap: Some(HEAP),
            ..PackOptions::default()
        })
    }

    /// The same, with all of the payload in its bytes: for what leaves the process.
    ///
    /// # Errors
    /// As [`Stack::pack`].
    pub fn pack_whole(
        &mut self,
        first: c_int,
        count: c_int,
        root: &'static str,
    ) -> Result<Payload, PackError> {
        self.pack_with(first, count, |_, _| PackOptions { root, ..PackOptions::default() })
    }

    /// Packs a request: the name of a method at `first`, and the arguments above it up to the top.
    ///
    /// # Errors
    /// As [`Stack::pack`]; paths count the arguments only.
    #[inline(always)]
    pub fn pack_request(&mut self, first: c_int) -> Result<Payload, PackError> {
        let count = self.top() - self.absolute(first) + 1;
        self.pack_with(first, count, |_, _| PackOptions {
            uncounted: 1,
            heap: Some(HEAP),
            ..PackOptions::default()
        })
    }

    /// The same, and tables that have the metamethod `__pairs` are sent as what it iterates over.
    ///
    /// # Errors
    /// As [`Stack::pack`], and what a metamethod raises.
    #[inline(always)]
    pub fn pack_with_pairs(
        &mut self,
        first: c_int,
        count: c_int,
        root: &'static str,
    ) -> Result<Payload, PackError> {
        self.pack_with(first, count, |stack, first| {
            let is_table = |index| stack.kind(index) == Kind::Table;
            // Only tables have metamethods to run, and running them takes a protected call.
            let pairs: Option<ProtectedCall> =
                (first..first + count).any(is_table).then_some(call_outside);
            PackOptions { root, pairs, heap: Some(HEAP), ..PackOptions::default() }
        })
    }

    /// Packs the values in one go if they are few and plain, else by the options that are asked for
    /// then, with the absolute index of the first value.
    #[inline(always)]
    fn pack_with(
        &mut self,
        first: c_int,
        count: c_int,
        options: impl FnOnce(&Self, c_int) -> PackOptions,
    ) -> Result<Payload, PackError> {
        let first = self.absolute(first);
        assert!(count >= 0 && first + count - 1 <= self.top(), "no {count} values to pack");
        // SAFETY: this thread runs the state, and the values are there.
        if let Some(payload) = unsafe { pack_plain(self.state(), first, count) } {
            return Ok(payload);
        }
        self.pack_otherwise(first, count, options)
    }

    #[inline(never)]
    fn pack_otherwise(
        &mut self,
        first: c_int,
        count: c_int,
        options: impl FnOnce(&Self, c_int) -> PackOptions,
    ) -> Result<Payload, PackError> {
        let options = options(self, first);
        self.forget_room();
        // SAFETY: this thread runs the state, the values are there, and the heap is that of our
        // VMs.
        unsafe { pack_long(self.state(), first, count, &options) }
    }

    /// Pushes the values of a payload and returns how many there are.
    ///
    /// # Errors
    /// [`UnpackError`]; the stack is then as it was.
    #[inline(always)]
    pub fn unpack(&mut self, payload: &Payload) -> Result<c_int, UnpackError> {
        self.forget_room();
        // SAFETY: this thread runs the state, and memory is not refused while a `Stack` exists.
        match unsafe { unpack_short(self.state(), payload) } {
            Some(count) => Ok(count),
            None => self.unpack_long(payload),
        }
    }

    #[inline(never)]
    fn unpack_long(&mut self, payload: &Payload) -> Result<c_int, UnpackError> {
        let (heap, has_room) = (Some(HEAP), Some(has_room as HasRoom));
        let options = UnpackOptions { heap, has_room, ..UnpackOptions::default() };
        // SAFETY: this thread runs the state, memory is not refused while a `Stack` exists, and the
        // heap is that of our VMs.
        match unsafe { unpack(self.state(), payload, &options) } {
            Err(UnpackError::Memory) => {
                // There may be garbage, the first attempt included.
                self.collect();
                // SAFETY: as above.
                unsafe { unpack(self.state(), payload, &options) }
            }
            unpacked => unpacked,
        }
    }

    /// Pushes the values of bytes that another process may have written: light userdata and
    /// handles, which mean nothing here, are refused. Returns how many there are.
    ///
    /// # Errors
    /// As [`Stack::unpack`].
    pub fn unpack_foreign(&mut self, bytes: &[u8]) -> Result<c_int, UnpackError> {
        self.forget_room();
        let has_room = Some(has_room as HasRoom);
        let options = UnpackOptions { foreign: true, has_room, ..UnpackOptions::default() };
        // SAFETY: as in `unpack`.
        unsafe { unpack(self.state(), bytes, &options) }
    }

    /// Pushes the arguments of a request and returns how many there are; nothing, and `None`, if
    /// one of them is not plain.
    #[inline(always)]
    pub fn unpack_arguments(&mut self, request: &PlainRequest<'_>) -> Option<c_int> {
        self.forget_room();
        // SAFETY: this thread runs the state, and memory is not refused while a `Stack` exists.
        unsafe { request.unpack_arguments(self.state()) }
    }

    /// Pushes the values that the bytes of the string at `index` hold; returns how many there are.
    ///
    /// # Errors
    /// As [`Stack::unpack`].
    ///
    /// # Panics
    /// If there is no string.
    pub fn unpack_string(&mut self, index: c_int) -> Result<c_int, UnpackError> {
        let index = self.occupied(index);
        let bytes = self.bytes(index).expect("a string");
        // SAFETY: the string stays on the stack below what is pushed, so its bytes stay in place.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
        self.forget_room();
        let options = UnpackOptions { has_room: Some(has_room), ..UnpackOptions::default() };
        // SAFETY: as in `unpack`.
        unsafe { unpack(self.state(), bytes, &options) }
    }
}

/// Whether the VM may use so many bytes more.
///
/// # Safety
/// `state` is one of our VMs.
unsafe fn has_room(state: *mut lua::lua_State, size_bytes: usize) -> bool {
    // SAFETY: by contract.
    unsafe { Context::of(state) }.memory.has_room(size_bytes)
}

/// Calls a metamethod outside the context, as all Lua code runs.
///
/// # Safety
/// The function and its arguments are on top of the stack of one of our VMs, which is entered.
unsafe fn call_outside(state: *mut lua::lua_State, arguments: c_int, results: c_int) -> c_int {
    // SAFETY: by contract; every error is caught.
    unsafe {
        let context = Context::of(state);
        let before = context.leave();
        let status = lua::lua_pcallk(state, arguments, results, 0, 0, None);
        context.restore(before);
        status
    }
}
