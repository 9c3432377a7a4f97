//! What the declarations of `mlua-sys` assume of the library, checked when this crate compiles.
//! `c/lshareabi.c` checks the same numbers against the C headers: both halves hold or the build
//! stops.

use std::mem::{offset_of, size_of};

use mlua_sys::{
    LUA_EXTRASPACE, LUA_GCPARAM, LUA_GCPNUM, LUA_MASKCOUNT, LUA_MINSTACK, LUA_NUMTYPES,
    LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS, LUA_RIDX_LAST, LUA_UTF8LIBK, LUAL_BUFFERSIZE, lua_Debug,
    lua_Integer, lua_KContext, lua_Number, lua_upvalueindex, luaL_Buffer, luaL_Reg,
};

const POINTER: usize = size_of::<*const ()>();

const _: () = {
    assert!(size_of::<lua_Integer>() == 8);
    assert!(size_of::<lua_Number>() == 8);
    assert!(size_of::<lua_KContext>() == POINTER);
    assert!(LUA_REGISTRYINDEX == -(i32::MAX / 2 + 1000));
    assert!(lua_upvalueindex(1) == LUA_REGISTRYINDEX - 1);
    assert!(LUA_RIDX_GLOBALS == 2 && LUA_RIDX_LAST == 3);
    assert!(LUA_MINSTACK == 20);
    assert!(LUA_EXTRASPACE == POINTER);
    assert!(LUA_NUMTYPES == 9);
    assert!(LUA_GCPARAM == 9 && LUA_GCPNUM == 6);
    assert!(LUA_MASKCOUNT == 8);
    assert!(LUA_UTF8LIBK == 512);
};

const _: () = {
    assert!(size_of::<luaL_Reg>() == 2 * POINTER);
    assert!(LUAL_BUFFERSIZE == 16 * POINTER * size_of::<lua_Number>());
    assert!(offset_of!(luaL_Buffer, size) == POINTER);
    assert!(offset_of!(luaL_Buffer, n) == 2 * POINTER);
    assert!(offset_of!(luaL_Buffer, L) == 3 * POINTER);
    assert!(offset_of!(luaL_Buffer, init) == 4 * POINTER);
    assert!(size_of::<luaL_Buffer>() == 4 * POINTER + LUAL_BUFFERSIZE);
};

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(offset_of!(lua_Debug, name) == 8);
    assert!(offset_of!(lua_Debug, source) == 32);
    assert!(offset_of!(lua_Debug, srclen) == 40);
    assert!(offset_of!(lua_Debug, currentline) == 48);
    assert!(offset_of!(lua_Debug, nups) == 60);
    assert!(offset_of!(lua_Debug, extraargs) == 63);
    assert!(offset_of!(lua_Debug, istailcall) == 64);
    assert!(offset_of!(lua_Debug, ftransfer) == 68);
    assert!(offset_of!(lua_Debug, short_src) == 76);
    assert!(size_of::<lua_Debug>() == 144);
};
