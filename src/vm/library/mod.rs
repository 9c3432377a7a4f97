//! The standard libraries, with the few functions that a host has to have a word in.
//!
//! Replaced are `print` (whole lines through the host), `os.exit` (ends the service, not the
//! process, where the host says so) and the part of `coroutine` that lets a blocking native suspend
//! through coroutines of user code. All of them are *plain frames*: C functions written in Rust
//! that own nothing, so that Lua may jump out of them anywhere.

mod coroutine;
mod output;
mod process;
mod require;

pub(super) use coroutine::unblock_chain;
pub(super) use output::complain;
pub use output::write_line;
pub use require::REQUIRE_PARTS;

use std::ffi::c_int;

use moonhive_lua_sys::{host, lua};

use super::error::LuaError;
use super::stack::Stack;

/// A function of ours in place of a stock one.
struct Replacement {
    name: &'static str,
    function: lua::lua_CFunction,
}

impl Stack<'_> {
    /// Opens all standard libraries and, unless they are to stay `stock`, puts our functions in
    /// their places.
    pub(super) fn open_libraries(&mut self, stock: bool) -> Result<(), LuaError> {
        unsafe extern "C-unwind" fn open(state: *mut lua::lua_State) -> c_int {
            // SAFETY: a plain frame, called protected.
            unsafe { host::lua_openblank(state) };
            0
        }
        self.push_plain(open);
        self.call(0, 0)?;
        if stock {
            return Ok(());
        }
        self.push_globals();
        self.replace_functions(&[output::PRINT]);
        self.replace_in("os", &[process::EXIT]);
        self.note_stock_coroutines();
        self.replace_in("coroutine", &coroutine::REPLACEMENTS);
        self.pop(1);
        Ok(())
    }

    /// Replaces functions of the library `name`; the globals are on top of the stack.
    fn replace_in(&mut self, name: &str, replacements: &[Replacement]) {
        self.raw_get_field(-1, name);
        self.replace_functions(replacements);
        self.pop(1);
    }

    fn replace_functions(&mut self, replacements: &[Replacement]) {
        for replacement in replacements {
            self.push_plain(replacement.function);
            self.raw_set_field(-2, replacement.name);
        }
    }

    /// Pushes a plain C function.
    pub(super) fn push_plain(&mut self, function: lua::lua_CFunction) {
        self.take_slot();
        // SAFETY: there is room, and a function without upvalues allocates nothing.
        unsafe { lua::lua_pushcclosure(self.state(), function, 0) };
    }
}
