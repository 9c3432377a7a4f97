//! Declarations of `c/lglobals.h`: which global variables a function uses, and where it assigns to
//! its loop variables, for a checker.

use std::ffi::{c_char, c_int, c_void};

use mlua_sys::lua_State;

/// The variable is read.
pub const READ: c_int = 0;
/// The variable is written by its bare name.
pub const WRITE: c_int = 1;
/// The variable is written as a field of `_G`.
pub const FIELD: c_int = 2;

/// Is told of each access; `nested` is true inside functions of the chunk.
pub type Visitor = unsafe extern "C" fn(
    ud: *mut c_void,
    name: *const c_char,
    length: usize,
    line: c_int,
    access: c_int,
    nested: c_int,
);

/// Is told of each assignment to a loop variable, once for each instruction of it.
pub type VariableVisitor =
    unsafe extern "C" fn(ud: *mut c_void, name: *const c_char, length: usize, line: c_int);

unsafe extern "C-unwind" {
    /// Visits the accesses in the main function of a chunk at a positive index and in the functions
    /// inside it. 0, without any visit, for a chunk that assigns to `_ENV`.
    pub fn lua_visitglobals(
        state: *mut lua_State,
        index: c_int,
        visit: Visitor,
        ud: *mut c_void,
    ) -> c_int;
    /// Visits the assignments to loop variables in the main function of a chunk at a positive index
    /// and in the functions inside it. None in a chunk that needed no meaning of Lua 5.4.
    pub fn lua_visitloopvariables(
        state: *mut lua_State,
        index: c_int,
        visit: VariableVisitor,
        ud: *mut c_void,
    );
}
