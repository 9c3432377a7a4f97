//! What Lua calls: the hook of `luaL_loadfilex`, and a `loadfile` that cannot be replaced by
//! scripts.
//!
//! Invariant: the functions here own nothing. Lua raises errors by `longjmp`, which runs no
//! destructor; all owned work happens in [`CodeClient`], and what Lua is still to read is parked
//! there.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

use moonhive_lua_sys::{lua, share};

use super::client::{CodeClient, Request};
use super::source::Kind;

/// What is left to do when a load is prepared. Plain data: nothing to drop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Leave it to the stock loader.
    Pass,
    /// Push a closure over the image that the client has parked.
    Clone { image: *mut share::Image, kind: Kind },
    /// Push the message that the client has parked.
    Message { status: c_int, start: *const u8, length: usize },
    /// The compilation did not fit into the VM's memory limit.
    OutOfMemory,
}

/// The hook of `luaL_loadfilex`; [`CodeClient::install`] sets it.
///
/// # Safety
/// Only Lua calls it: `user_data` is the installed client, `state` a running state of its VM with
/// two free slots; `filename` and `mode` are null or strings that stay for the call.
pub unsafe extern "C-unwind" fn load_file(
    user_data: *mut c_void,
    state: *mut lua::lua_State,
    filename: *const c_char,
    mode: *const c_char,
) -> c_int {
    if filename.is_null() {
        return share::LOAD_PASS; // standard input
    }
    // SAFETY: by contract. No frame from here to Lua owns anything when `finish` runs.
    unsafe {
        let client = &*user_data.cast::<CodeClient>();
        let path = CStr::from_ptr(filename).to_bytes();
        let kinds = if mode.is_null() { None } else { Some(CStr::from_ptr(mode).to_bytes()) };
        let request = Request { state, kinds };
        let mut step = client.prepare_file(path, request);
        if let Step::OutOfMemory = step {
            collect(state);
            step = client.prepare_file(path, request);
        }
        finish(client, state, step)
    }
}

/// What `loadfile` with a name alone tries first; [`CodeClient::install`] sets it.
///
/// # Safety
/// As [`load_file`], and the name has that many bytes.
pub unsafe extern "C-unwind" fn load_known(
    user_data: *mut c_void,
    state: *mut lua::lua_State,
    filename: *const c_char,
    length: usize,
    compat_54: c_int,
) -> c_int {
    // SAFETY: by contract. This frame owns nothing when the function is pushed; a panic must not
    // unwind into the C code that called us.
    unsafe {
        let client = &*user_data.cast::<CodeClient>();
        let path = slice::from_raw_parts(filename.cast::<u8>(), length);
        let find = AssertUnwindSafe(|| client.find_known(path, compat_54 != 0));
        let Ok(Some(image)) = catch_unwind(find) else { return 0 };
        finish(client, state, Step::Clone { image, kind: Kind::Text });
        1
    }
}

impl CodeClient {
    /// Pushes the function of a text that is part of the program, or a message, and returns the
    /// status as `lua_load` does. Such texts are cached like files; `name` is what messages,
    /// statistics and `cache.clear` call it, and stands for one text in the whole program.
    ///
    /// # Safety
    /// `state` is a live state of this client's VM that only the calling thread uses, with two free
    /// slots. Without memory this raises an error: no frame up to the protected call may own
    /// anything, unless the allocator refuses nothing at this moment.
    pub unsafe fn load_named(
        &self,
        state: *mut lua::lua_State,
        name: &str,
        text: &'static str,
    ) -> c_int {
        let request = Request { state, kinds: None };
        // SAFETY: by contract.
        unsafe {
            let mut step = self.prepare_named(name, text, request);
            if let Step::OutOfMemory = step {
                collect(state);
                step = self.prepare_named(name, text, request);
            }
            if let Step::Pass = step {
                return load_privately(state, name, text);
            }
            finish(self, state, step)
        }
    }
}

/// Compiles an embedded text for this VM alone.
///
/// # Safety
/// As [`CodeClient::load_named`].
unsafe fn load_privately(state: *mut lua::lua_State, name: &str, text: &'static str) -> c_int {
    // SAFETY: by contract; the name lives as a Lua string below the function until it is replaced.
    unsafe {
        lua::lua_pushlstring(state, name.as_ptr().cast(), name.len());
        let chunk_name = lua::lua_pushfstring(state, c"=%s".as_ptr(), lua::lua_tostring(state, -1));
        lua::lua_replace(state, -2);
        let (start, length) = (text.as_ptr().cast(), text.len());
        let status = lua::luaL_loadbufferx(state, start, length, chunk_name, ptr::null());
        lua::lua_replace(state, -2);
        status
    }
}

/// Makes room: the garbage of the VM counts against the same limit as the compilation.
///
/// # Safety
/// `state` is a running state; finalizers may run, so no frame up to Lua may own anything.
#[cold]
unsafe fn collect(state: *mut lua::lua_State) {
    // SAFETY: by contract; a collection raises nothing.
    unsafe { lua::lua_gc(state, lua::LUA_GCCOLLECT) };
}

/// Pushes the result of a load; returns its status.
///
/// # Safety
/// `step` comes from the client's last `prepare`; `state` as for [`load_file`]. May jump out of
/// this frame.
#[inline]
pub(super) unsafe fn finish(client: &CodeClient, state: *mut lua::lua_State, step: Step) -> c_int {
    // SAFETY: the client keeps what `step` points to. Lua collects garbage at the end of a push, if
    // at all; so a finalizer that loads something else, and parks it, comes when ours has been
    // used.
    unsafe {
        match step {
            Step::Pass => share::LOAD_PASS,
            Step::Clone { image, kind } => {
                share::lua_clonefunction(state, image);
                if kind == Kind::Binary {
                    set_upvalues(state);
                }
                client.unpark();
                lua::LUA_OK
            }
            Step::Message { status, start, length } => {
                lua::lua_pushlstring(state, start.cast(), length);
                client.unpark();
                status
            }
            Step::OutOfMemory => {
                // Every VM holds this string from its beginning: no memory is needed for it.
                lua::lua_pushstring(state, c"not enough memory".as_ptr());
                lua::LUA_ERRMEM
            }
        }
    }
}

/// Sets the upvalues of the function on top as `lua_load` does. A dumped function may have any
/// number of them under any names: the first is the globals, the others are nil.
///
/// # Safety
/// A Lua function is on top of the stack, with one free slot above.
unsafe fn set_upvalues(state: *mut lua::lua_State) {
    // SAFETY: by contract; neither pushing nor setting allocates.
    unsafe {
        lua::lua_rawgeti(state, lua::LUA_REGISTRYINDEX, lua::LUA_RIDX_GLOBALS);
        let mut upvalue = 1;
        while !lua::lua_setupvalue(state, -2, upvalue).is_null() {
            upvalue += 1;
            lua::lua_pushnil(state);
        }
        lua::lua_pop(state, 1);
    }
}

/// `loadfile(filename, mode, env)` as the standard library has it. Scripts may replace the global
/// of that name; `cache.loadfile` is this one.
///
/// # Safety
/// Only Lua calls it.
pub unsafe extern "C-unwind" fn loadfile(state: *mut lua::lua_State) -> c_int {
    // SAFETY: by contract; this frame owns nothing when an argument error is raised.
    unsafe {
        let filename = lua::luaL_optstring(state, 1, ptr::null());
        let mode = lua::luaL_optstring(state, 2, ptr::null());
        if !mode.is_null() && CStr::from_ptr(mode).to_bytes().contains(&b'B') {
            return lua::luaL_argerror(state, 2, c"invalid mode".as_ptr());
        }
        let has_environment = lua::lua_isnone(state, 3) == 0;
        if lua::luaL_loadfilex(state, filename, mode) != lua::LUA_OK {
            lua::lua_pushnil(state);
            lua::lua_insert(state, -2);
            return 2;
        }
        if has_environment {
            lua::lua_pushvalue(state, 3);
            if lua::lua_setupvalue(state, -2, 1).is_null() {
                lua::lua_pop(state, 1); // a function without upvalues needs no environment
            }
        }
        1
    }
}
