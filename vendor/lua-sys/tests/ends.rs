//! A function of C can tell whether its coroutine ends as soon as it returns: not while anything of
//! the program may still run.

use std::cell::RefCell;
use std::ffi::{CString, c_int};

use moonhive_lua_sys::host::lua_endsnext;
use moonhive_lua_sys::lua::{
    LUA_OK, lua_State, lua_close, lua_pcall, lua_pushcclosure, lua_setglobal, luaL_loadstring,
    luaL_newstate, luaL_openlibs,
};

thread_local! {
    /// What `ends` has found.
    static FOUND: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C-unwind" fn ends(state: *mut lua_State) -> c_int {
    // SAFETY: the state runs this function.
    let ends = unsafe { lua_endsnext(state) } != 0;
    FOUND.with_borrow_mut(|found| found.push(ends));
    0
}

/// What `ends` finds in a coroutine that runs `body`.
fn found(body: &str) -> Vec<bool> {
    let program = CString::new(format!(
        "local function run(f) local co = coroutine.create(f)
           repeat assert(coroutine.resume(co)) until coroutine.status(co) == 'dead' end
         run(function(...) {body} end)"
    ));
    FOUND.take();
    // SAFETY: the state is this test's own, and everything in it is called protected.
    unsafe {
        let state = luaL_newstate();
        assert!(!state.is_null());
        luaL_openlibs(state);
        lua_pushcclosure(state, ends, 0);
        lua_setglobal(state, c"ends".as_ptr());
        assert_eq!(luaL_loadstring(state, program.unwrap().as_ptr()), LUA_OK, "{body}");
        assert_eq!(lua_pcall(state, 0, 0, 0), LUA_OK, "{body}");
        lua_close(state);
    }
    FOUND.take()
}

#[test]
fn the_last_call_of_a_coroutine_is_seen_as_that() {
    for body in [
        "ends()",
        "return ends()",
        "if ... then print() else ends() end",
        "ends() return 1, nil, 'x'",
        "local function f() ends() end f()",
        "local function f(...) return ends(...) end return f(1, 2)",
        "coroutine.yield() ends()",
        "local function f() coroutine.yield() ends() end f()",
        "ends(coroutine.yield())",
    ] {
        assert_eq!(found(body), [true], "{body}");
    }
}

#[test]
fn whatever_may_still_run_is_seen() {
    for body in [
        "ends() local x = {}",
        "for _ = 1, 1 do ends() end",
        "local function f() ends() end f() f = #'x'",
        "return ends() == 1",
        "pcall(ends)",
        "pcall(function() ends() end)",
        "pcall(function() coroutine.yield() ends() end)",
        "coroutine.wrap(function() ends() end)() local x = {}",
        "local x <close> = setmetatable({}, {__close = function() end}) ends()",
        "local x = 1 local f = function() return x end ends()",
        "local x <close> = setmetatable({}, {__close = function() ends() end})",
        "local x <close> = setmetatable({}, {__close = function() coroutine.yield() ends() end})",
        "local t = setmetatable({}, {__index = function() ends() end}) local x = t.x",
        "local t = setmetatable({}, {__index = function() coroutine.yield() ends() end}) local x = t.x",
        "local t = setmetatable({}, {__eq = function() coroutine.yield() ends() return true end})
         if t == setmetatable({}, getmetatable(t)) then print() end",
        "local t = setmetatable({}, {__concat = function() coroutine.yield() ends() return 'x' end})
         local x = t .. t",
        "debug.sethook(function() debug.sethook() ends() end, '', 1) local x",
        "debug.sethook(function() end, 'r') ends() debug.sethook()",
        "local x <close> = setmetatable({}, {__close = function() ends() end})
         coroutine.close(coroutine.running())",
    ] {
        let found = found(body);
        let outer = usize::from(body.starts_with("coroutine.wrap"));
        // A coroutine of its own ends, whatever its caller does then.
        assert_eq!(found, [outer == 1], "{body}");
    }
}
