//! Pushing values: what Rust hands to Lua.
//!
//! Each push makes sure of room first; while the VM is entered, memory is not refused, so none of
//! them can raise.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;

use moonhive_lua_sys::{lua, quick};

use super::native::Native;
use super::stack::Stack;

impl Stack<'_> {
    /// Pushes `nil`.
    #[inline]
    pub fn push_nil(&mut self) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { quick::pushnil(self.state()) };
    }

    /// Pushes a boolean.
    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { quick::pushboolean(self.state(), value) };
    }

    /// Pushes an integer.
    #[inline(always)]
    pub fn push_integer(&mut self, value: i64) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { quick::pushinteger(self.state(), value) };
    }

    /// Pushes a float.
    #[inline]
    pub fn push_number(&mut self, value: f64) {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { quick::pushnumber(self.state(), value) };
    }

    /// Pushes a string of any bytes.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        self.take_slot();
        // SAFETY: there is room, Lua copies the bytes, and while memory is not refused no error can
        // be raised.
        unsafe { lua::lua_pushlstring(self.state(), value.as_ptr().cast(), value.len()) };
    }

    /// Pushes a part of the string at `index`.
    ///
    /// # Panics
    /// If there is no string, or the part is not inside it.
    pub fn push_part(&mut self, index: c_int, part: Range<usize>) {
        self.take_slot();
        let bytes = &self.bytes(index).expect("a string to take a part of")[part];
        // SAFETY: there is room, and while memory is not refused no error can be raised. The bytes
        // stay where they are: the string is on the stack, and the collector holds still.
        unsafe { lua::lua_pushlstring(self.state(), bytes.as_ptr().cast(), bytes.len()) };
    }

    /// Pushes a string.
    #[inline]
    pub fn push_str(&mut self, value: &str) {
        self.push_bytes(value.as_bytes());
    }

    /// Pushes a bare address.
    pub fn push_light(&mut self, address: usize) {
        self.push_pointer(ptr::without_provenance_mut(address));
    }

    /// Pushes an address that code of this module will look behind.
    pub(super) fn push_pointer(&mut self, pointer: *mut c_void) {
        self.take_slot();
        let address = pointer.expose_provenance() as u64;
        // SAFETY: there is room; Lua never looks behind the address.
        unsafe { quick::pushpointer(self.state(), address) };
    }

    /// Pushes a copy of the value at `index` (nil where there is none).
    #[inline]
    pub fn push_value(&mut self, index: c_int) {
        let index = self.absolute(index);
        self.take_slot();
        if (1..=self.top()).contains(&index) {
            // SAFETY: there is room and the index holds a value.
            return unsafe { quick::pushvalue(self.state(), index) };
        }
        let Some(index) = self.readable(index) else {
            // SAFETY: there is room.
            return unsafe { quick::pushnil(self.state()) };
        };
        // SAFETY: there is room and the index may be read.
        unsafe { lua::lua_pushvalue(self.state(), index) };
    }

    /// Pushes a native function.
    pub fn push_native(&mut self, native: Native) {
        self.push_native_with(native, 0);
    }

    /// Pops `upvalues` values and pushes a native function that captured them.
    pub fn push_native_with(&mut self, native: Native, upvalues: u8) {
        let count = c_int::from(upvalues);
        assert!(count <= self.top(), "not enough values for {count} upvalues");
        self.take_slot();
        // SAFETY: the upvalues are there, there is room, memory is not refused.
        unsafe { lua::lua_pushcclosure(self.state(), native.0, count) };
    }

    /// Pushes the table of global variables.
    pub fn push_globals(&mut self) {
        self.take_slot();
        // SAFETY: there is room; the registry always holds the globals at this index.
        unsafe {
            lua::lua_rawgeti(self.state(), lua::LUA_REGISTRYINDEX, lua::LUA_RIDX_GLOBALS);
        }
    }

    /// Pushes the coroutine that this stack belongs to; true if it is the main one.
    pub fn push_this_thread(&mut self) -> bool {
        self.take_slot();
        // SAFETY: there is room.
        unsafe { lua::lua_pushthread(self.state()) != 0 }
    }

    /// Pushes a traceback of this stack, from `level` (0 is the running function) outwards.
    pub fn push_traceback(&mut self, level: c_int) {
        self.push_traceback_of(self.state(), level);
    }
}
