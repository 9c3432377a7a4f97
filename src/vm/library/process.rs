//! `os.exit`: asks the host, then unwinds the VM so that no script can hold it up.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use moonhive_lua_sys::{lua, share};

use super::Replacement;
use crate::vm::context::Context;

pub(super) const EXIT: Replacement = Replacement { name: "exit", function: exit };

/// `os.exit([code [, close]])` with `true`, `false` or a number as code.
unsafe extern "C-unwind" fn exit(state: *mut lua::lua_State) -> c_int {
    // SAFETY: a plain frame in a state of ours; errors may jump.
    unsafe {
        let code = if lua::lua_isboolean(state, 1) != 0 {
            c_int::from(lua::lua_toboolean(state, 1) == 0)
        } else {
            lua::luaL_optinteger(state, 1, 0) as c_int
        };
        let close = lua::lua_toboolean(state, 2) != 0;
        let context = Context::of(state);
        // A panic in the hook must not get into Lua's C frames; the panic hook has told about it.
        let _ = catch_unwind(AssertUnwindSafe(|| context.hooks.exit(code, close)));
        share::lua_interrupt(state, share::INTERRUPT_KILL);
        lua::luaL_error(state, c"exit".as_ptr())
    }
}
