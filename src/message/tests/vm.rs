//! A VM for tests, closed when dropped.

use std::ffi::{CStr, CString};

use moonhive_lua_sys::lua::{self, lua_State};

use crate::message::{
    PackError, PackOptions, Packed, Payload, UnpackError, UnpackOptions, pack, unpack,
};

/// Spells out all its arguments: subtypes, bits and sorted keys.
const SPELL: &CStr = cr##"
    local function spell(value)
        if math.type(value) == "float" then return ("%a"):format(value) end
        if type(value) == "string" then return ("%q"):format(value) end
        if type(value) ~= "table" then return tostring(value) end
        local parts = {}
        for key, item in next, value do
            parts[#parts + 1] = "[" .. spell(key) .. "]=" .. spell(item)
        end
        table.sort(parts)
        return "#" .. rawlen(value) .. "{" .. table.concat(parts, ",") .. "}"
    end
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = spell((select(i, ...))) end
    return table.concat(parts, "; ")
"##;

pub struct Vm(pub *mut lua_State);

impl Vm {
    pub fn new() -> Self {
        // SAFETY: a fresh state, used by this thread alone.
        unsafe {
            let state = lua::luaL_newstate();
            assert!(!state.is_null());
            lua::luaL_openlibs(state);
            Self(state)
        }
    }

    pub fn top(&self) -> i32 {
        // SAFETY: the state is valid.
        unsafe { lua::lua_gettop(self.0) }
    }

    /// Runs a chunk with the whole stack as its arguments, which its results replace.
    pub fn call(&self, source: &CStr) -> i32 {
        let arguments = self.top();
        // SAFETY: the state is valid; errors are caught and reported.
        unsafe {
            assert_eq!(lua::luaL_loadstring(self.0, source.as_ptr()), lua::LUA_OK, "{source:?}");
            lua::lua_rotate(self.0, 1, 1);
            let status = lua::lua_pcall(self.0, arguments, lua::LUA_MULTRET, 0);
            assert_eq!(status, lua::LUA_OK, "{}", self.text());
        }
        self.top()
    }

    /// Leaves the results of a chunk on the stack and returns their number.
    pub fn evaluate(&self, source: &str) -> i32 {
        // SAFETY: the state is valid.
        unsafe { lua::lua_settop(self.0, 0) };
        self.call(&CString::new(source).expect("no NUL in the source"))
    }

    fn text(&self) -> String {
        // SAFETY: the value on top is converted to a string if it is none.
        unsafe {
            let text = lua::luaL_tolstring(self.0, -1, std::ptr::null_mut());
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    /// Spells out all values of the stack and clears it.
    pub fn spell(&self) -> String {
        self.call(SPELL);
        let text = self.text();
        // SAFETY: the state is valid.
        unsafe { lua::lua_settop(self.0, 0) };
        text
    }

    pub fn pack(&self, count: i32, options: &PackOptions) -> Result<Payload, PackError> {
        // SAFETY: callers pass the number of values on the stack.
        unsafe { pack(self.0, 1, count, options) }
    }

    pub fn unpack<'a>(&self, payload: impl Into<Packed<'a>>) -> Result<i32, UnpackError> {
        self.unpack_with(payload, &UnpackOptions::default())
    }

    pub fn unpack_with<'a>(
        &self,
        payload: impl Into<Packed<'a>>,
        options: &UnpackOptions,
    ) -> Result<i32, UnpackError> {
        // SAFETY: the state is valid and memory is not limited.
        unsafe { unpack(self.0, payload, options) }
    }
}

/// Packs what `__pairs` iterates over, with nothing around its calls.
pub fn with_pairs() -> PackOptions {
    // SAFETY: callers push a function and its arguments.
    unsafe fn call(state: *mut lua_State, arguments: i32, results: i32) -> i32 {
        // SAFETY: the caller pushed a function and its arguments.
        unsafe { lua::lua_pcall(state, arguments, results, 0) }
    }
    PackOptions { pairs: Some(call), ..PackOptions::default() }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: nobody uses the state after this.
        unsafe { lua::lua_close(self.0) };
    }
}
