//! The library that the build script makes is linked, and speaks the C API that mlua-sys declares.

use std::ffi::CStr;

use moonhive_lua_sys::lua::{
    LUA_OK, lua_State, lua_call, lua_close, lua_tostring, luaL_loadstring, luaL_newstate,
    luaL_openlibs,
};

struct State(*mut lua_State);

impl State {
    fn new() -> Self {
        // SAFETY: `luaL_newstate` needs nothing, and the state is checked before its first use.
        let state = unsafe { luaL_newstate() };
        assert!(!state.is_null(), "no memory for a state");
        // SAFETY: a fresh state.
        unsafe { luaL_openlibs(state) };
        Self(state)
    }

    /// Runs a chunk that cannot fail and returns its one result as text.
    fn eval(&self, chunk: &CStr) -> String {
        // SAFETY: the state lives as long as `self`; the chunks of this test raise no error, so no
        // `longjmp` crosses this frame; the string is copied before it is popped by `lua_close`.
        unsafe {
            assert_eq!(luaL_loadstring(self.0, chunk.as_ptr()), LUA_OK);
            lua_call(self.0, 0, 1);
            CStr::from_ptr(lua_tostring(self.0, -1)).to_string_lossy().into_owned()
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: closed once, here.
        unsafe { lua_close(self.0) }
    }
}

#[test]
fn a_state_runs_lua_5_5() {
    assert_eq!(State::new().eval(c"return _VERSION"), "Lua 5.5");
}

#[test]
fn every_standard_library_is_there() {
    let names = "coroutine debug io math os package string table utf8";
    let chunk = c"local t = {} for k, v in pairs(package.loaded) do \
                  if k ~= '_G' then t[#t + 1] = k end end \
                  table.sort(t) return table.concat(t, ' ')";
    assert_eq!(State::new().eval(chunk), names);
}

#[test]
fn the_compatibility_switches_are_on() {
    assert_eq!(State::new().eval(c"return tostring(math.pow ~= nil)"), "true");
    assert_eq!(State::new().eval(c"local global = 1 return tostring(global)"), "1");
}

#[test]
fn c_modules_can_be_loaded_at_run_time() {
    let chunk = c"local _, _, where = package.loadlib('/nonexistent.so', 'f') return where";
    assert_eq!(State::new().eval(chunk), "open");
}
