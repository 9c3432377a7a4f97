//! How Lua and our C are compiled and linked.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Name of the archive, without `lib`.
const LIBRARY: &str = "moonhive_lua";

/// Compiles Lua's sources in `lua` and ours in `own` and tells cargo to link the result.
pub fn library(own: &Path, lua: &Path, out_dir: &Path) {
    let mut lua_build = base(own, lua);
    lua_build.warnings(false).files(c_files(lua));
    let mut own_build = base(own, lua);
    own_build.warnings(true).extra_warnings(true).files(c_files(own));
    for object in lua_build.compile_intermediates() {
        own_build.object(object);
    }
    own_build.compile(LIBRARY);
    link(own, lua, out_dir);
}

/// Flags that both halves share. Lua is always optimised, in the dev profile too: without it every
/// test would run several times slower and prove nothing more.
fn base(own: &Path, lua: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cargo_metadata(false)
        .std("gnu11")
        .opt_level(2)
        .force_frame_pointer(false)
        .include(lua)
        .include(own)
        .define("LUA_COMPAT_GLOBAL", "1")
        .define("LUA_COMPAT_MATHLIB", None)
        // Macros that Lua asks for before it looks at its own.
        .flag("-include")
        .flag("ljump.h")
        .flag_if_supported("-fno-common")
        // Each instruction of the interpreter ends with its own jump to the next one, so that the
        // processor foresees where each leads. GCC would merge what it then has eighty times into
        // eight jumps, and a call of a function of C would take a quarter more time.
        .flag_if_supported("-fno-crossjumping");
    if is_set("CARGO_CFG_UNIX") {
        build.define("LUA_USE_POSIX", None).define("LUA_USE_DLOPEN", None);
    }
    // Our Rust speaks the raw C API: in debug builds Lua itself checks every call and its own
    // invariants, and a write to a published image is a fault.
    if is_set("CARGO_CFG_DEBUG_ASSERTIONS") {
        build.define("LUA_USE_APICHECK", None);
        build.define("LUAI_ASSERT", None);
        build.define("LUAI_SHARE_READONLY", None);
    }
    build
}

/// Links the whole archive: nothing in Rust names most of the functions that C modules use.
fn link(own: &Path, lua: &Path, out_dir: &Path) {
    println!("cargo::rustc-link-search=native={}", out_dir.display());
    println!("cargo::rustc-link-lib=static:+whole-archive={LIBRARY}");
    println!("cargo::metadata=include={}", lua.display());
    println!("cargo::metadata=own_include={}", own.display());
    if let Some(flag) = export_flag(own) {
        // Our tests load C modules, and so do the programs that embed Lua (see the root's
        // build.rs).
        println!("cargo::rustc-link-arg-tests={flag}");
        println!("cargo::metadata=export_flag={flag}");
    }
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-lib=m");
        println!("cargo::rustc-link-lib=dl");
    }
}

/// The linker's flag that exports the C API, which C modules look for in the program that loads
/// them. `-rdynamic` would do, and export thousands of Rust's symbols with it.
fn export_flag(own: &Path) -> Option<String> {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos" | "ios") => Some("-rdynamic".into()),
        _ if is_set("CARGO_CFG_UNIX") => {
            let list = own.with_file_name("exports.list");
            Some(format!("-Wl,--dynamic-list={}", list.display()))
        }
        _ => None,
    }
}

/// Every `.c` file of a folder in alphabetical order.
fn c_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|cause| panic!("{}: {cause}", dir.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder was read a moment ago").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "c"))
        .collect();
    files.sort();
    files
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some()
}
