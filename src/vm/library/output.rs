//! `print`: one line, one write.
//!
//! Lines go through C's standard output, as those of `io.write` do, so that both keep their order;
//! the stream's lock keeps lines of different threads whole.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use moonhive_lua_sys::lua;

use super::Replacement;
use crate::vm::context::Context;

pub(super) const PRINT: Replacement = Replacement { name: "print", function: print };

unsafe extern "C" {
    #[cfg_attr(target_os = "macos", link_name = "__stdoutp")]
    static stdout: *mut libc::FILE;
}

/// Writes bytes to C's standard output in one go and flushes it.
pub fn write_line(line: &[u8]) {
    // SAFETY: the stream is open from the start of the process, or closed, which C reports as an
    // error; the bytes are valid. A failed write is not the script's fault and ignored, as in Lua.
    unsafe {
        libc::fwrite(line.as_ptr().cast::<c_void>(), 1, line.len(), stdout);
        libc::fflush(stdout);
    }
}

/// Writes a line to standard error. That nobody reads it is no reason to fail: `eprintln!` would
/// panic.
pub fn complain(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// `print`: the texts of its arguments, with tabs between and a newline behind.
unsafe extern "C-unwind" fn print(state: *mut lua::lua_State) -> c_int {
    // SAFETY: a plain frame: the buffer is plain memory that belongs to the Lua stack. Metamethods
    // may raise anywhere before the line is complete.
    unsafe {
        let mut buffer = MaybeUninit::<lua::luaL_Buffer>::uninit();
        let buffer = buffer.as_mut_ptr();
        let count = lua::lua_gettop(state);
        lua::luaL_buffinit(state, buffer);
        for index in 1..=count {
            if index > 1 {
                lua::luaL_addlstring(buffer, c"\t".as_ptr(), 1);
            }
            lua::luaL_tolstring(state, index, ptr::null_mut());
            lua::luaL_addvalue(buffer);
        }
        lua::luaL_addlstring(buffer, c"\n".as_ptr(), 1);
        lua::luaL_pushresult(buffer);
        hand_over(state);
    }
    0
}

/// Gives the line on top of the stack to the host.
///
/// # Safety
/// `state` is the running state of one of our VMs with a string on top.
unsafe fn hand_over(state: *mut lua::lua_State) {
    // SAFETY: by contract; the string stays on the stack while the host reads it.
    unsafe {
        let context = Context::of(state);
        let mut length = 0;
        let bytes = lua::lua_tolstring(state, -1, &mut length);
        let line = std::slice::from_raw_parts(bytes.cast(), length);
        // A panic in the hook must not get into Lua's C frames; the panic hook has told about it.
        let _ = catch_unwind(AssertUnwindSafe(|| context.hooks.print(line)));
    }
}
