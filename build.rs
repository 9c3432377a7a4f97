//! Makes the binaries and tests of this package export the C API of Lua, so that C modules which
//! Lua code loads at run time find `lua_*` in the program that loads them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    if system.split(',').any(|family| family == "unix") {
        println!("cargo::rustc-link-arg=-rdynamic");
    }
}
