//! Declarations of `c/lwalk.h`: reading values and tables in few calls, for a codec.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::offset_of;

use mlua_sys::{LUA_NUMTYPES, LUA_TNIL, lua_Integer, lua_Number, lua_State};

/// The kind of an integer; all other kinds are types (`LUA_T*`).
pub const INTEGER: c_int = LUA_NUMTYPES;

/// What a value is, without any conversion.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Seen {
    /// Valid is the field that belongs to the kind.
    pub content: Content,
    /// A type (`LUA_T*`), or [`INTEGER`].
    pub kind: c_int,
    /// Bytes of a string.
    pub length: usize,
}

/// The content of a value.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Content {
    /// Of a boolean: 0 or 1.
    pub boolean: c_int,
    /// Of an integer.
    pub integer: lua_Integer,
    /// Of a float.
    pub number: lua_Number,
    /// Of a string; it lives as long as whatever holds the string.
    pub bytes: *const c_char,
    /// Of a light userdata. Of tables, functions, userdata and threads only to be compared.
    pub pointer: *mut c_void,
}

// What `c/lwalk.c` checks on its side.
const _: () = {
    assert!(size_of::<Seen>() == 24 && offset_of!(Seen, content) == 0);
    assert!(offset_of!(Seen, kind) == 8 && offset_of!(Seen, length) == 16);
    assert!(INTEGER == 9);
};

impl Default for Seen {
    fn default() -> Self {
        Self { content: Content { integer: 0 }, kind: LUA_TNIL, length: 0 }
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Seen(kind {})", self.kind)
    }
}

/// As a border: there is no memory to fill the table, which Lua has put off.
pub const NO_MEMORY: usize = usize::MAX;

// All indices are positive and stand for values or slots of the running function below the top.
unsafe extern "C-unwind" {
    /// Looks at a value.
    pub fn lua_see(state: *mut lua_State, index: c_int, seen: *mut Seen);
    /// The border of a table (its raw length) or [`NO_MEMORY`]; in `slots` what its array part has
    /// room for.
    pub fn lua_walkshape(state: *mut lua_State, index: c_int, slots: *mut c_uint) -> usize;
    /// The border of a table of the VM, by its address, or [`NO_MEMORY`].
    pub fn lua_walkborder(state: *mut lua_State, table: *const c_void) -> usize;
    /// Copies the value at a place (from 0) of the array part to the stack slot `to`; nil where
    /// there is none.
    pub fn lua_walkarray(
        state: *mut lua_State,
        index: c_int,
        place: c_uint,
        to: c_int,
        value: *mut Seen,
    );
    /// Copies the first entry at or after `place` to the stack slots `to` (key) and `to + 1`
    /// (value) and moves `place` behind it; 0 at the end. Raises no error when the table changes in
    /// between.
    pub fn lua_walknext(
        state: *mut lua_State,
        index: c_int,
        place: *mut c_uint,
        to: c_int,
        key: *mut Seen,
        value: *mut Seen,
    ) -> c_int;
}
