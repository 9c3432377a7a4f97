//! Gives the shared library its name for the loader and the versions of its symbols.
//!
//! The symbols get their version in the assembler (`exported!` in `src/export.rs`), and the script
//! declares it. That works with the linker that Rust brings for x86-64; elsewhere the library has
//! the name alone, since GNU's linker refuses a second script beside the one that the compiler
//! makes.

use std::env;

/// Counts up when a function changes or goes, so that a program finds no library it cannot use.
const SONAME: &str = "libmoonhive_shm.so.1";

fn main() {
    println!("cargo:rerun-if-changed=moonhive_shm.map");
    println!("cargo:rustc-check-cfg=cfg(versioned_symbols)");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_x86 = variable("CARGO_CFG_TARGET_ARCH") == "x86_64";
    if is_x86 && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        let script = format!("{}/moonhive_shm.map", variable("CARGO_MANIFEST_DIR"));
        println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={script}");
        println!("cargo:rustc-cfg=versioned_symbols");
    }
}
