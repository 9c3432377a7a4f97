//! From the Lua stack to bytes, in one pass and without a tree in between.
//!
//! Only raw access is used: nothing here calls a metamethod or raises an error of Lua, so no
//! `longjmp` can cross these frames and no finalizer can change a table while it is being walked.
//! What is allocated in the VM are the contents of deferred tables of constants, which may be
//! refused and runs no collection. The one exception, `__pairs`, lives in [`pairs`](super::pairs)
//! and runs protected.

use std::ffi::c_int;

use moonhive_lua_sys::external::Long;
use moonhive_lua_sys::lua::{self, LUA_TUSERDATA, lua_State};
use moonhive_lua_sys::quick;
use moonhive_lua_sys::walk::NO_MEMORY;

use super::error::PackError;
use super::fault::{Cause, Fault};
use super::format::{OpenTable, Shape, Writer};
use super::handle::handle_at;
use super::keys::KeyCache;
use super::large::{Heap, LARGE_BYTES, buffer_of};
use super::pairs::{self, ProtectedCall};
use super::path::Step;
use super::payload::{INLINE_BYTES, Payload};
use super::plain::pack_plain;
use super::scratch::{Scratch, with_scratch};
use super::tree::pack_tree;
use super::view::{View, Walk};
use super::{MAX_DEPTH, MAX_PAYLOAD_BYTES};

/// Stack slots that one level of nesting uses: a key, its value, or an iterator and what it yields.
const SLOTS_PER_LEVEL: c_int = 8;

/// How values are packed.
#[derive(Debug, Clone, Copy)]
pub struct PackOptions {
    /// How to call a `__pairs` metamethod and the iterator it returns; tables that have one are
    /// then sent as what it iterates over. Without it metatables are ignored.
    pub pairs: Option<ProtectedCall>,
    /// Longest payload, in bytes; [`MAX_PAYLOAD_BYTES`] at most.
    pub limit_bytes: usize,
    /// What errors call the list of values: `args` in `args[2].cb`.
    pub root: &'static str,
    /// Values at the beginning that errors do not count, such as the name of a method.
    pub uncounted: i32,
    /// Leave to put large strings beside the bytes, for a receiver in this process; without it all
    /// of a payload is bytes.
    pub heap: Option<Heap>,
}

impl Default for PackOptions {
    fn default() -> Self {
        let (limit_bytes, root) = (MAX_PAYLOAD_BYTES, "args");
        Self { pairs: None, limit_bytes, root, uncounted: 0, heap: None }
    }
}

/// Packs `count` values of the stack, beginning with the one at `first_index`, and leaves the stack
/// as it was.
///
/// Tables are copied with what they hold; a table that appears twice is copied twice, and
/// metatables stay behind (but see [`PackOptions::pairs`]).
///
/// # Errors
/// [`PackError`] names the first value that cannot be sent.
///
/// # Safety
/// `state` must be a valid state that this thread may use, with `count` values from `first_index`
/// on. With [`PackOptions::pairs`] metamethods run, so the state must be able to run Lua code.
/// [`PackOptions::heap`] must suit its VM.
pub unsafe fn pack(
    state: *mut lua_State,
    first_index: c_int,
    count: c_int,
    options: &PackOptions,
) -> Result<Payload, PackError> {
    // SAFETY: the caller vouches for the state and the values.
    unsafe {
        let first = lua::lua_absindex(state, first_index);
        if options.limit_bytes >= INLINE_BYTES
            && let Some(payload) = pack_plain(state, first, count)
        {
            return Ok(payload);
        }
        pack_long(state, first, count, options)
    }
}

/// The same for values that [`pack_plain`] has refused.
///
/// # Errors
/// As [`pack`].
///
/// # Safety
/// As [`pack`]; `first` is positive.
pub unsafe fn pack_long(
    state: *mut lua_State,
    first: c_int,
    count: c_int,
    options: &PackOptions,
) -> Result<Payload, PackError> {
    // SAFETY: the caller vouches for the state and the values.
    unsafe {
        let top = quick::gettop(state);
        debug_assert!(count >= 0 && first + count - 1 <= top, "values beyond the top of the stack");
        let result = with_scratch(|scratch| {
            if pack_tree(state, scratch, (first, count), options).is_some() {
                return Ok(());
            }
            scratch.begin();
            let mut packer = Packer::new(state, scratch, options);
            if options.pairs.is_some() {
                pairs::protected(&mut packer, first, count)
            } else {
                packer.values(first, count)
            }
        });
        match result {
            Ok(payload) => Ok(payload),
            Err(fault) => {
                lua::lua_settop(state, top);
                Err(fault.into_error(options.root))
            }
        }
    }
}

/// The state of one packing. Owns nothing, so that an error of Lua may jump over it.
pub(super) struct Packer<'a> {
    pub(super) state: *mut lua_State,
    writer: &'a mut Writer,
    pub(super) keys: &'a mut KeyCache,
    /// The tables that are being walked, outermost first.
    ancestors: &'a mut [usize; MAX_DEPTH],
    pub(super) call_pairs: Option<ProtectedCall>,
    limit_bytes: usize,
    uncounted: i32,
    heap: Option<Heap>,
}

impl<'a> Packer<'a> {
    #[inline]
    fn new(state: *mut lua_State, scratch: &'a mut Scratch, options: &PackOptions) -> Self {
        let Scratch { writer, keys, ancestors } = scratch;
        let limit_bytes = options.limit_bytes.min(MAX_PAYLOAD_BYTES);
        let &PackOptions { pairs: call_pairs, uncounted, heap, .. } = options;
        Self { state, writer, keys, ancestors, call_pairs, limit_bytes, uncounted, heap }
    }

    /// Packs the values at `first..first + count`.
    ///
    /// # Safety
    /// They must exist, and `first` must be positive.
    pub(super) unsafe fn values(&mut self, first: c_int, count: c_int) -> Result<(), Box<Fault>> {
        (0..count).try_for_each(|offset| {
            let index = first + offset;
            // SAFETY: the caller vouches for the values; nothing removes them meanwhile.
            let packed = unsafe { self.value(View::at(self.state, index), index, 0) };
            let number = i64::from(offset - self.uncounted) + 1;
            packed.map_err(|fault| fault.inside(Step::Integer(number)))
        })
    }

    /// Packs the value at `index`, which is `view` and which `depth` tables hold.
    ///
    /// # Safety
    /// `index` must be positive and below the top of the stack.
    #[inline]
    unsafe fn value(
        &mut self,
        view: View<'_>,
        index: c_int,
        depth: usize,
    ) -> Result<(), Box<Fault>> {
        match view {
            // SAFETY: the string is at `index`.
            View::String(bytes) => return unsafe { self.string_at(bytes, index) },
            View::Integer(value) => self.writer.integer(value),
            // SAFETY: the value at `index` is a table.
            View::Table(address) => return unsafe { self.table(index, address, depth) },
            View::Float(value) => self.writer.float(value),
            View::Boolean(value) => self.writer.boolean(value),
            View::Nil => self.writer.nil(),
            View::Pointer(address) => self.writer.pointer(address),
            // SAFETY: `index` is valid.
            View::Other(_) => return unsafe { self.other(view, index) },
        }
        self.check_size()
    }

    /// Packs the key at `index`, which is `view`; `depth` counts its own table too.
    ///
    /// # Safety
    /// As for [`value`](Self::value).
    #[inline]
    unsafe fn key(&mut self, view: View<'_>, index: c_int, depth: usize) -> Result<(), Box<Fault>> {
        match view {
            View::String(key) => match self.keys.find_or_remember(key) {
                Some(number) => self.writer.key_reference(number),
                None => return self.string(key),
            },
            View::Integer(key) => self.writer.wide_integer(key),
            // SAFETY: as for this function.
            _ => return unsafe { self.value(view, index, depth) }.map_err(Fault::as_key),
        }
        self.check_size()
    }

    /// Packs the string at `index`, which is `bytes`.
    ///
    /// # Safety
    /// As for [`value`](Self::value).
    #[inline]
    unsafe fn string_at(&mut self, bytes: &[u8], index: c_int) -> Result<(), Box<Fault>> {
        if let Some(heap) = self.heap
            && (LARGE_BYTES..=self.limit_bytes).contains(&bytes.len())
        {
            // SAFETY: by contract.
            unsafe {
                if let Some(string) = Long::at(self.state, index) {
                    self.writer.attach(buffer_of(self.state, string, heap));
                    return self.check_size();
                }
            }
        }
        self.string(bytes)
    }

    #[inline]
    fn string(&mut self, bytes: &[u8]) -> Result<(), Box<Fault>> {
        if bytes.len() > self.limit_bytes {
            return Err(Fault::new(Cause::Size(self.limit_bytes)));
        }
        self.writer.string(bytes);
        self.check_size()
    }

    /// A full userdata that is a handle, or something that cannot be sent.
    ///
    /// # Safety
    /// As for [`value`](Self::value).
    #[cold]
    unsafe fn other(&mut self, view: View<'_>, index: c_int) -> Result<(), Box<Fault>> {
        if matches!(view, View::Other(LUA_TUSERDATA)) {
            self.reserve_stack()?;
            // SAFETY: `index` is a full userdata, and there is room for what reading it pushes.
            if let Some(handle) = unsafe { handle_at(self.state, index) } {
                self.writer.handle(handle.kind, handle.value);
                return self.check_size();
            }
        }
        Err(Fault::new(Cause::Unsendable(view.type_name())))
    }

    /// Packs the table at `index`, which `depth` tables hold.
    ///
    /// # Safety
    /// `index` must be positive and the value a table.
    unsafe fn table(
        &mut self,
        index: c_int,
        address: usize,
        depth: usize,
    ) -> Result<(), Box<Fault>> {
        self.enter(address, depth)?;
        // SAFETY: `index` is a table; `enter` made room on the stack for what is pushed here.
        unsafe {
            let top = quick::gettop(self.state);
            if let Some(call) = self.call_pairs
                && pairs::begin(self, call, index)?
            {
                self.iterated(call, depth)?;
            } else {
                lua::lua_settop(self.state, top + 2);
                self.contents(index, top + 1, depth)?;
            }
            quick::cut(self.state, top);
        }
        Ok(())
    }

    /// Checks that the table may be walked and notes it as an ancestor of what it holds.
    fn enter(&mut self, address: usize, depth: usize) -> Result<(), Box<Fault>> {
        if let Some(ancestor) = self.ancestors[..depth].iter().position(|&held| held == address) {
            return Err(Fault::new(Cause::Cycle { ancestor_depth: ancestor + 1 }));
        }
        if depth == MAX_DEPTH {
            return Err(Fault::new(Cause::Depth));
        }
        self.ancestors[depth] = address;
        self.reserve_stack()
    }

    /// Makes room for what one level pushes.
    fn reserve_stack(&self) -> Result<(), Box<Fault>> {
        // SAFETY: the state is valid; the call reports failure instead of raising it.
        if !unsafe { quick::checkstack(self.state, SLOTS_PER_LEVEL) } {
            return Err(Fault::new(Cause::Stack));
        }
        Ok(())
    }

    /// Packs all that the table at `index` holds, by way of the stack slots `slot` and `slot + 1`.
    ///
    /// # Safety
    /// `index` must be positive and a table, and both slots below the top, with room for one more.
    unsafe fn contents(
        &mut self,
        index: c_int,
        slot: c_int,
        depth: usize,
    ) -> Result<(), Box<Fault>> {
        // SAFETY: the caller vouches for table and slots.
        let mut walk = unsafe { Walk::new(self.state, index, slot) };
        let elements = walk.elements();
        if elements == NO_MEMORY {
            return Err(Fault::new(Cause::Memory));
        }
        if elements > self.limit_bytes {
            return Err(Fault::new(Cause::Size(self.limit_bytes)));
        }
        let table = self.begin_table(elements)?;
        for element in 1..=elements {
            let value = walk.element(element);
            // SAFETY: the walk left the value in its slot.
            unsafe { self.value(value, slot + 1, depth + 1) }
                .map_err(|fault| fault.inside(Step::Integer(element as i64)))?;
        }
        let mut pairs = 0;
        while let Some((key, value)) = walk.next_pair() {
            // SAFETY: the walk left key and value in its slots.
            unsafe { self.pair(key, value, slot, depth)? };
            pairs += 1;
        }
        self.writer.finish_table(table, Shape { elements, pairs });
        Ok(())
    }

    /// Packs the key at `slot` and the value above it.
    ///
    /// # Safety
    /// `slot` must be positive and hold the key.
    #[inline]
    unsafe fn pair(
        &mut self,
        key: View<'_>,
        value: View<'_>,
        slot: c_int,
        depth: usize,
    ) -> Result<(), Box<Fault>> {
        // SAFETY: the caller put both there.
        unsafe {
            self.key(key, slot, depth + 1)?;
            self.value(value, slot + 1, depth + 1).map_err(|fault| fault.inside(key.step()))
        }
    }

    /// Packs what the iterator on top of the stack yields.
    ///
    /// # Safety
    /// Function, state and control must be the three topmost values, with room for three more.
    unsafe fn iterated(&mut self, call: ProtectedCall, depth: usize) -> Result<(), Box<Fault>> {
        let table = self.begin_table(0)?;
        let mut pairs = 0;
        // SAFETY: the caller vouches for the iterator; `pairs::next` leaves a key and a value.
        unsafe {
            let control = quick::gettop(self.state);
            while pairs::next(self, call, control)? {
                let key = View::at(self.state, control + 1);
                let value = View::at(self.state, control + 2);
                if !matches!(value, View::Nil) {
                    self.pair(key, value, control + 1, depth)?;
                    pairs += 1;
                }
                lua::lua_copy(self.state, control + 1, control);
                lua::lua_settop(self.state, control);
            }
        }
        self.writer.finish_table(table, Shape { elements: 0, pairs });
        Ok(())
    }

    /// Begins a table. It counts before what is in it: one that holds the same table twice, and
    /// that one another, has many tables and nothing else.
    #[inline]
    fn begin_table(&mut self, elements: usize) -> Result<OpenTable, Box<Fault>> {
        let table = self.writer.begin_table(elements);
        self.check_size()?;
        Ok(table)
    }

    #[inline]
    fn check_size(&self) -> Result<(), Box<Fault>> {
        if self.writer.len() > self.limit_bytes {
            return Err(Fault::new(Cause::Size(self.limit_bytes)));
        }
        Ok(())
    }
}
