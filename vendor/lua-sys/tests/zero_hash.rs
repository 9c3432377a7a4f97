//! A string whose hash is zero is shared like any other. With seed zero that is the empty string;
//! the first state of a process settles the seed, so this test has a process of its own.

use std::ffi::{CStr, c_void};
use std::ptr;

use moonhive_lua_sys::lua::{
    LUA_OK, lua_call, lua_close, lua_newstate, lua_toboolean, luaL_loadstring, luaL_openlibs,
};
use moonhive_lua_sys::share::{OPTION_SHARE_ALL, lua_shareoption};

/// The plain allocator of a state.
unsafe extern "C" fn allocate(
    _ud: *mut c_void,
    block: *mut c_void,
    _old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: Lua hands over blocks that this function made, or null.
    unsafe {
        if new == 0 {
            libc::free(block);
            return ptr::null_mut();
        }
        libc::realloc(block, new)
    }
}

#[test]
fn the_empty_string_of_an_image_is_the_one_made_at_run_time() {
    let chunk: &CStr = c"local made = ('x'):sub(2, 1)
                         local t = { [made] = true }
                         return made == '' and t['']";
    // SAFETY: the state is this test's own, and the chunk raises no error.
    unsafe {
        let state = lua_newstate(allocate, ptr::null_mut(), 0);
        assert!(!state.is_null());
        luaL_openlibs(state);
        lua_shareoption(state, OPTION_SHARE_ALL, 1);
        assert_eq!(luaL_loadstring(state, chunk.as_ptr()), LUA_OK);
        lua_call(state, 0, 1);
        assert_eq!(lua_toboolean(state, -1), 1);
        lua_close(state);
    }
}
