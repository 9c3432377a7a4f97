//! A C module, compiled for stock Lua 5.5, that loads files through the auxiliary library: its
//! loads go through the cache like those of scripts, and it cannot tell.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use moonhive::code::{CodeCache, Mode};
use moonhive::vm::Vm;
use moonhive_lua_source::Layout;

use crate::support::{Folder, run};

/// Loads of each kind, and what happened in the cache.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    compiled: u64,
    hits: u64,
    private: u64,
}

/// The folder that holds the module, compiled once for all tests.
fn module_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_loader");
        let headers = folder.join("include");
        Layout::here().pristine(&folder).unwrap().write(&headers).unwrap();
        compile(&headers, &folder.join("c_loader.so"));
        folder
    })
}

fn compile(headers: &Path, module: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/code/c_loader.c");
    let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-I"]);
    if cfg!(target_os = "macos") {
        command.args(["-undefined", "dynamic_lookup"]);
    }
    let status = command.arg(headers).arg(&source).arg("-o").arg(module).status().unwrap();
    assert!(status.success(), "{} does not compile", source.display());
}

/// Runs a script with the module as `c` and the path of `x.lua` as `path`, in a VM of its own.
fn run_with(
    cache: &Arc<CodeCache>,
    mode: Mode,
    folder: &Folder,
    script: &str,
) -> Result<String, String> {
    let mut vm = Vm::builder().code(cache.clone(), mode).build().unwrap();
    let head = format!(
        "package.cpath = '{}/?.so' local c, path = require 'c_loader', '{}' ",
        module_folder().display(),
        folder.path("x.lua").display(),
    );
    run(&mut vm, &format!("{head}{script}"))
}

fn counts(cache: &CodeCache) -> Counts {
    let totals = cache.stats().totals;
    Counts { compiled: totals.compiled, hits: totals.hits, private: totals.private }
}

/// Loads `x.lua` in every way in two VMs of this mode; returns what the cache counted.
fn load_in_every_way(cache: &Arc<CodeCache>, mode: Mode) -> Counts {
    let folder = Folder::new();
    folder.write("x.lua", "loads = (loads or 0) + 1 return 'loaded ' .. loads");
    let before = counts(cache);
    for _ in 0..2 {
        let script =
            "local f = c.load(path) return f() .. c.run(path) .. c.open(path) .. c.open(path)";
        let answer = run_with(cache, mode, &folder, script).unwrap();
        assert_eq!(answer, "loaded 1loaded 2loaded 3loaded 3");
    }
    let after = counts(cache);
    Counts {
        compiled: after.compiled - before.compiled,
        hits: after.hits - before.hits,
        private: after.private - before.private,
    }
}

#[test]
fn loads_of_c_modules_are_shared_by_all_vms() {
    let counted = load_in_every_way(&Arc::new(CodeCache::new()), Mode::On);
    assert_eq!(counted, Counts { compiled: 1, hits: 5, private: 0 });
}

#[test]
fn loads_of_c_modules_in_a_vm_without_cache_are_private() {
    let counted = load_in_every_way(&Arc::new(CodeCache::new()), Mode::Off);
    assert_eq!(counted, Counts { compiled: 0, hits: 0, private: 6 });
}

#[test]
fn loads_of_c_modules_take_only_what_is_there_in_mode_exist() {
    let (cache, folder) = (Arc::new(CodeCache::new()), Folder::new());
    folder.write("x.lua", "return 7");
    let script = "return c.run(path)";
    for (mode, expected) in [
        (Mode::Exist, Counts { compiled: 0, hits: 0, private: 1 }),
        (Mode::On, Counts { compiled: 1, hits: 0, private: 1 }),
        (Mode::Exist, Counts { compiled: 1, hits: 1, private: 1 }),
    ] {
        assert_eq!(run_with(&cache, mode, &folder, script).as_deref(), Ok("7"));
        assert_eq!(counts(&cache), expected, "{mode:?}");
    }
}

/// Runs a script where the file is missing from the cache, where it is in it, and without the
/// cache.
#[track_caller]
fn same_in_all_modes(content: &str, script: &str) -> String {
    let (cache, folder) = (Arc::new(CodeCache::new()), Folder::new());
    folder.write("x.lua", content);
    let stock = run_with(&cache, Mode::Off, &folder, script);
    for (mode, what) in
        [(Mode::Exist, "before"), (Mode::On, "miss"), (Mode::On, "hit"), (Mode::Exist, "hit")]
    {
        assert_eq!(run_with(&cache, mode, &folder, script), stock, "{mode:?}, {what}");
    }
    stock.unwrap()
}

#[test]
fn the_mode_that_a_c_module_asks_for_keeps_its_meaning() {
    for (mode, expected) in [
        ("'t'", "7 nil"),
        ("'bt'", "7 nil"),
        ("nil", "7 nil"),
        ("'b'", "nil attempt to load a text chunk (mode is 'b') 3"),
    ] {
        let script = format!(
            "local f, m, s = c.load(path, {mode})
             return table.concat({{tostring(f and f()), tostring(m), s}}, ' ')"
        );
        assert_eq!(same_in_all_modes("return 7", &script), expected, "{mode}");
    }
}

#[test]
fn the_environment_that_a_c_module_sets_is_that_of_one_function() {
    let script = "x = 'global' local f, g = c.load(path, 't', {x = 'mine'}), c.load(path)
                  return f() .. ' ' .. g()";
    assert_eq!(same_in_all_modes("return x", script), "mine global");
}

#[test]
fn a_syntax_error_reaches_a_c_module_in_the_words_of_stock_lua() {
    let script = "local ok, message = pcall(c.run, path)
                  return message:gsub('^.*x.lua', 'x.lua') .. ' ' .. select(3, c.load(path))";
    let expected = "x.lua:1: unexpected symbol near <eof> 3";
    assert_eq!(same_in_all_modes("return (", script), expected);
}

#[test]
fn a_file_that_is_missing_is_an_error_of_the_file() {
    let script = "local f, message, status = c.load(path .. '.none') return status";
    assert_eq!(same_in_all_modes("", script), "6");
}
