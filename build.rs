//! Makes the binaries and tests of this package export the C API of Lua, so that C modules which
//! Lua code loads at run time find `lua_*` in the program that loads them.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // `vendor/lua-sys/build` says how; see cargo's `links` metadata.
    if let Ok(flag) = env::var("DEP_MOONHIVE_LUA_EXPORT_FLAG") {
        println!("cargo::rustc-link-arg={flag}");
    }
}
