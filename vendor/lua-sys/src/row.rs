//! Declarations of `c/lrow.h`: making tables of a known form, for a codec.

use std::ffi::{c_int, c_uint};

use mlua_sys::lua_State;

// All indices are positive and stand for values of the running function below the top.
unsafe extern "C-unwind" {
    /// Pushes a table with room for so many elements. There must be room for it. May raise a memory
    /// error.
    pub fn lua_pusharray(state: *mut lua_State, elements: c_uint);
    /// Where a short string lies in the hash part of a table, or -1.
    pub fn lua_rowplace(state: *mut lua_State, row: c_int, key: c_int) -> c_int;
    /// Pushes a table with the keys of the hash part of `model`, at their places, without values.
    /// There must be room for it. May raise a memory error.
    pub fn lua_pushrow(state: *mut lua_State, model: c_int);
    /// Pops a value and gives it to the string at `key` in a table without metatable, if that key
    /// lies at `place`, and returns 1; else changes nothing and returns 0.
    pub fn lua_setplace(state: *mut lua_State, row: c_int, place: c_int, key: c_int) -> c_int;
}
