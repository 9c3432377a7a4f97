//! From the Lua stack to bytes, in one pass and without a tree in between.
//!
//! Only raw access is used: nothing here calls a metamethod, allocates in the VM or raises an error
//! of Lua, so no `longjmp` can cross these frames and no finalizer can change a table while it is
//! being walked. The one exception, `__pairs`, lives in [`pairs`](super::pairs) and runs protected.

use std::ffi::c_int;
use std::slice;

use moonhive_lua_sys::lua::{
    self, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE,
    LUA_TUSERDATA, lua_State,
};

use super::error::PackError;
use super::fault::{Cause, Fault};
use super::format::{Shape, Writer};
use super::handle::handle_at;
use super::keys::KeyCache;
use super::pairs::{self, ProtectedCall};
use super::path::Step;
use super::payload::Payload;
use super::scratch::{Scratch, with_scratch};
use super::{MAX_DEPTH, MAX_PAYLOAD_BYTES};

/// Stack slots that one level of nesting uses: a key, its value, and what reading them takes.
const SLOTS_PER_LEVEL: c_int = 6;

/// How values are packed.
#[derive(Debug, Clone, Copy)]
pub struct PackOptions {
    /// How to call a `__pairs` metamethod and the iterator it returns; tables that have one are then
    /// sent as what it iterates over. Without it metatables are ignored.
    pub pairs: Option<ProtectedCall>,
    /// Longest payload, in bytes; [`MAX_PAYLOAD_BYTES`] at most.
    pub limit_bytes: usize,
    /// What errors call the list of values: `args` in `args[2].cb`.
    pub root: &'static str,
    /// Values at the beginning that errors do not count, such as the name of a method.
    pub uncounted: i32,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { pairs: None, limit_bytes: MAX_PAYLOAD_BYTES, root: "args", uncounted: 0 }
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
pub unsafe fn pack(
    state: *mut lua_State,
    first_index: c_int,
    count: c_int,
    options: &PackOptions,
) -> Result<Payload, PackError> {
    // SAFETY: the caller vouches for the state and the values.
    unsafe {
        let top = lua::lua_gettop(state);
        let first = lua::lua_absindex(state, first_index);
        debug_assert!(count >= 0 && first + count - 1 <= top, "values beyond the top of the stack");
        let result = with_scratch(|scratch| {
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
}

impl<'a> Packer<'a> {
    #[inline]
    fn new(state: *mut lua_State, scratch: &'a mut Scratch, options: &PackOptions) -> Self {
        let Scratch { writer, keys, ancestors } = scratch;
        let limit_bytes = options.limit_bytes.min(MAX_PAYLOAD_BYTES);
        let (call_pairs, uncounted) = (options.pairs, options.uncounted);
        Self { state, writer, keys, ancestors, call_pairs, limit_bytes, uncounted }
    }

    /// Packs the values at `first..first + count`.
    ///
    /// # Safety
    /// They must exist, and `first` must be absolute.
    pub(super) unsafe fn values(&mut self, first: c_int, count: c_int) -> Result<(), Box<Fault>> {
        (0..count).try_for_each(|offset| {
            // SAFETY: the caller vouches for the values.
            let packed = unsafe { self.value(first + offset, 0) };
            let number = i64::from(offset - self.uncounted) + 1;
            packed.map_err(|fault| fault.inside(Step::Integer(number)))
        })
    }

    /// Packs the value at `index`, which `depth` tables hold.
    ///
    /// # Safety
    /// `index` must be absolute and below the top of the stack.
    #[inline]
    pub(super) unsafe fn value(&mut self, index: c_int, depth: usize) -> Result<(), Box<Fault>> {
        let state = self.state;
        // SAFETY: `index` is valid; every accessor matches the type just asked for.
        unsafe {
            match lua::lua_type(state, index) {
                LUA_TNUMBER => self.number(index),
                LUA_TSTRING => return self.string(string_at(state, index)),
                LUA_TTABLE => return self.table(index, depth),
                LUA_TBOOLEAN => self.writer.boolean(lua::lua_toboolean(state, index) != 0),
                LUA_TNIL => self.writer.nil(),
                LUA_TLIGHTUSERDATA => {
                    self.writer.pointer(lua::lua_touserdata(state, index) as u64);
                }
                kind => return self.other(index, kind),
            }
        }
        self.check_size()
    }

    /// Packs the key at `index` of a table that `depth` tables hold, itself included.
    ///
    /// # Safety
    /// As for [`value`](Self::value).
    unsafe fn key(&mut self, index: c_int, depth: usize) -> Result<(), Box<Fault>> {
        let state = self.state;
        // SAFETY: as in `value`. A string key lives as long as its table holds it, and nothing runs
        // that could change the table (or `forget` is called).
        unsafe {
            match lua::lua_type(state, index) {
                LUA_TSTRING => {
                    let key = string_at(state, index);
                    match self.keys.find_or_remember(key) {
                        Some(number) => self.writer.key_reference(number),
                        None => return self.string(key),
                    }
                }
                LUA_TNUMBER if lua::lua_isinteger(state, index) != 0 => {
                    let key = lua::lua_tointegerx(state, index, std::ptr::null_mut());
                    self.writer.wide_integer(key);
                }
                _ => return self.value(index, depth).map_err(Fault::as_key),
            }
        }
        self.check_size()
    }

    /// Packs an integer or a float.
    ///
    /// # Safety
    /// The value at `index` must be a number.
    #[inline]
    unsafe fn number(&mut self, index: c_int) {
        // SAFETY: the value at `index` is a number, so neither call converts it in place.
        unsafe {
            if lua::lua_isinteger(self.state, index) != 0 {
                self.writer.integer(lua::lua_tointegerx(self.state, index, std::ptr::null_mut()));
            } else {
                self.writer.float(lua::lua_tonumberx(self.state, index, std::ptr::null_mut()));
            }
        }
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
    /// As for [`value`](Self::value); `kind` must be the type of the value.
    #[cold]
    unsafe fn other(&mut self, index: c_int, kind: c_int) -> Result<(), Box<Fault>> {
        // SAFETY: `index` is a full userdata when `handle_at` is called; the stack was checked for
        // more than two slots, or `values` runs directly above the caller's.
        unsafe {
            if kind == LUA_TUSERDATA {
                self.reserve_stack()?;
                if let Some(handle) = handle_at(self.state, index) {
                    self.writer.handle(handle.kind, handle.value);
                    return self.check_size();
                }
            }
        }
        Err(Fault::new(Cause::Unsendable(type_name(kind))))
    }

    /// Packs the table at `index`, which `depth` tables hold.
    ///
    /// # Safety
    /// `index` must be absolute and the value a table.
    unsafe fn table(&mut self, index: c_int, depth: usize) -> Result<(), Box<Fault>> {
        // SAFETY: `index` is a table; `enter` made room on the stack for what the walk pushes.
        unsafe {
            self.enter(index, depth)?;
            if let Some(call) = self.call_pairs
                && pairs::begin(self, call, index)?
            {
                return self.iterated(call, depth);
            }
            let elements = lua::lua_rawlen(self.state, index);
            if elements > self.limit_bytes {
                return Err(Fault::new(Cause::Size(self.limit_bytes)));
            }
            let table = self.writer.begin_table(elements);
            self.elements(index, elements, depth)?;
            let pairs = self.pairs(index, elements, depth)?;
            self.writer.finish_table(table, Shape { elements, pairs });
        }
        Ok(())
    }

    /// Checks that the table may be walked and notes it as an ancestor of what it holds.
    ///
    /// # Safety
    /// As for [`table`](Self::table).
    unsafe fn enter(&mut self, index: c_int, depth: usize) -> Result<(), Box<Fault>> {
        // SAFETY: `index` is valid.
        let address = unsafe { lua::lua_topointer(self.state, index) } as usize;
        if let Some(ancestor) = self.ancestors[..depth].iter().position(|&held| held == address) {
            return Err(Fault::new(Cause::Cycle { ancestor_depth: ancestor + 1 }));
        }
        if depth == MAX_DEPTH {
            return Err(Fault::new(Cause::Depth));
        }
        self.ancestors[depth] = address;
        // SAFETY: the state is valid.
        unsafe { self.reserve_stack() }
    }

    /// Makes room for what one level pushes.
    ///
    /// # Safety
    /// The state must be valid.
    unsafe fn reserve_stack(&self) -> Result<(), Box<Fault>> {
        // SAFETY: the state is valid; the call reports failure instead of raising it.
        if unsafe { lua::lua_checkstack(self.state, SLOTS_PER_LEVEL) } == 0 {
            return Err(Fault::new(Cause::Stack));
        }
        Ok(())
    }

    /// Packs `t[1]` to `t[count]` of the table at `index`.
    ///
    /// # Safety
    /// As for [`table`](Self::table), with room for a value.
    unsafe fn elements(
        &mut self,
        index: c_int,
        count: usize,
        depth: usize,
    ) -> Result<(), Box<Fault>> {
        // SAFETY: `index` is a table; the element is pushed right above the top.
        unsafe {
            let top = lua::lua_gettop(self.state);
            for element in 1..=count as i64 {
                lua::lua_rawgeti(self.state, index, element);
                self.value(top + 1, depth + 1)
                    .map_err(|fault| fault.inside(Step::Integer(element)))?;
                lua::lua_settop(self.state, top);
            }
        }
        Ok(())
    }

    /// Packs every pair whose key is not among the first `elements` integers; returns their number.
    ///
    /// # Safety
    /// As for [`table`](Self::table), with room for a key and a value.
    unsafe fn pairs(
        &mut self,
        index: c_int,
        elements: usize,
        depth: usize,
    ) -> Result<usize, Box<Fault>> {
        let state = self.state;
        let mut count = 0;
        // SAFETY: `index` is a table. `lua_next` gets back the key it returned, unconverted, and
        // nothing changes the table in between, so it cannot raise.
        unsafe {
            lua::lua_pushnil(state);
            let key = lua::lua_gettop(state);
            while lua::lua_next(state, index) != 0 {
                if elements == 0 || !is_element(state, key, elements) {
                    self.pair(key, depth)?;
                    count += 1;
                }
                lua::lua_settop(state, key);
            }
        }
        Ok(count)
    }

    /// Packs the key at `key` and the value above it.
    ///
    /// # Safety
    /// Both must be there, and `key` absolute.
    #[inline]
    unsafe fn pair(&mut self, key: c_int, depth: usize) -> Result<(), Box<Fault>> {
        // SAFETY: the caller pushed both.
        unsafe {
            self.key(key, depth + 1)?;
            self.value(key + 1, depth + 1).map_err(|fault| fault.inside(step_at(self.state, key)))
        }
    }

    /// Packs what the iterator on top of the stack yields.
    unsafe fn iterated(&mut self, call: ProtectedCall, depth: usize) -> Result<(), Box<Fault>> {
        let table = self.writer.begin_table(0);
        let mut pairs = 0;
        // SAFETY: `pairs::begin` left function, state and control on top of the stack.
        unsafe {
            let control = lua::lua_gettop(self.state);
            while pairs::next(self, call, control)? {
                if lua::lua_type(self.state, control + 2) != LUA_TNIL {
                    self.pair(control + 1, depth)?;
                    pairs += 1;
                }
                lua::lua_copy(self.state, control + 1, control);
                lua::lua_settop(self.state, control);
            }
            lua::lua_settop(self.state, control - 3);
        }
        self.writer.finish_table(table, Shape { elements: 0, pairs });
        Ok(())
    }

    #[inline]
    fn check_size(&self) -> Result<(), Box<Fault>> {
        if self.writer.len() > self.limit_bytes {
            return Err(Fault::new(Cause::Size(self.limit_bytes)));
        }
        Ok(())
    }
}

/// Is the key one of `1..=elements`?
///
/// # Safety
/// `key` must be a valid index.
#[inline]
unsafe fn is_element(state: *mut lua_State, key: c_int, elements: usize) -> bool {
    // SAFETY: `key` is valid; integers are not converted.
    unsafe {
        lua::lua_isinteger(state, key) != 0
            && (lua::lua_tointegerx(state, key, std::ptr::null_mut()) as u64).wrapping_sub(1)
                < elements as u64
    }
}

/// The bytes of the string at `index`.
///
/// # Safety
/// The value must be a string (a number would be converted) and outlive `'a`.
pub(super) unsafe fn string_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the caller vouches for the type; Lua returns that many bytes.
    unsafe {
        let bytes = lua::lua_tolstring(state, index, &mut length);
        slice::from_raw_parts(bytes.cast(), length)
    }
}

/// How a path spells the key at `index`.
///
/// # Safety
/// `index` must be valid.
unsafe fn step_at(state: *mut lua_State, index: c_int) -> Step {
    // SAFETY: `index` is valid; every accessor matches the type just asked for.
    unsafe {
        match lua::lua_type(state, index) {
            LUA_TSTRING => Step::string(string_at(state, index)),
            LUA_TNUMBER if lua::lua_isinteger(state, index) != 0 => {
                Step::Integer(lua::lua_tointegerx(state, index, std::ptr::null_mut()))
            }
            LUA_TNUMBER => Step::Float(lua::lua_tonumberx(state, index, std::ptr::null_mut())),
            LUA_TBOOLEAN => Step::Boolean(lua::lua_toboolean(state, index) != 0),
            kind => Step::Other(type_name(kind)),
        }
    }
}

/// The name that Lua's `type` has for a type.
fn type_name(kind: c_int) -> &'static str {
    match kind {
        lua::LUA_TFUNCTION => "function",
        lua::LUA_TTHREAD => "thread",
        LUA_TTABLE => "table",
        LUA_TUSERDATA | LUA_TLIGHTUSERDATA => "userdata",
        _ => "value of unknown type",
    }
}
