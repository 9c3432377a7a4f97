//! `require` for VMs whose modules may be suspended while they load.

use std::ffi::c_int;

use moonhive_lua_sys::{host, lua};

use crate::vm::stack::Stack;

/// How many values [`Stack::push_require`] takes.
pub const REQUIRE_PARTS: c_int = host::REQUIRE_UPVALUES;

impl Stack<'_> {
    /// Replaces the values on top, which `lua/boot/require.lua` returns, by the function that uses
    /// them.
    pub fn push_require(&mut self) {
        self.occupied(-REQUIRE_PARTS);
        // SAFETY: the values are there; the function expects these upvalues and checks nothing. The
        // host's code runs here, so that the limit of memory is suspended and nothing is raised.
        unsafe { lua::lua_pushcclosure(self.state(), host::lua_requiremodule, REQUIRE_PARTS) };
    }
}
