//! The module as scripts see it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::code::{CodeCache, Mode};
use crate::vm::{LoadMode, Vm};

/// A VM with the module `cache`, over a cache of its own.
fn vm() -> Vm {
    vm_over(&Arc::new(CodeCache::new()))
}

fn vm_over(cache: &Arc<CodeCache>) -> Vm {
    let mut vm = Vm::builder().code(cache.clone(), Mode::On).build().unwrap();
    crate::api::modules::furnish(&mut vm.stack());
    vm
}

/// The one result of a script, as text.
fn eval(vm: &mut Vm, script: &str) -> String {
    let script = format!("local cache = require 'cache' {script}");
    let mut stack = vm.stack();
    stack.load(script.as_bytes(), "=script", LoadMode::Text).unwrap();
    match stack.call(0, 1) {
        Ok(()) => stack.text(-1),
        Err(error) => error.message,
    }
}

fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.lua");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn the_mode_belongs_to_the_vm() {
    let cache = Arc::new(CodeCache::new());
    let (mut one, mut two) = (vm_over(&cache), vm_over(&cache));
    assert_eq!(eval(&mut one, "return cache.mode()"), "ON");
    assert_eq!(eval(&mut one, "return cache.mode('EXIST')"), "ON");
    assert_eq!(eval(&mut one, "return cache.mode('OFF') .. cache.mode()"), "EXISTOFF");
    assert_eq!(eval(&mut two, "return cache.mode()"), "ON");
}

#[test]
fn an_unknown_mode_is_told_the_choices_and_changes_nothing() {
    let mut vm = vm();
    for name in ["'on'", "''", "'ON\\0'", "1"] {
        let message = eval(&mut vm, &format!("return select(2, pcall(cache.mode, {name}))"));
        // The module has two names, and Lua tells one of them.
        let message = message.replace("'hive.cache.", "'cache.");
        let start = "bad argument #1 to 'cache.mode' (unknown cache mode '";
        assert!(message.starts_with(start), "{message}");
        assert!(message.ends_with("': expected OFF, EXIST or ON)"), "{message}");
    }
    assert_eq!(eval(&mut vm, "return cache.mode()"), "ON");
}

#[test]
fn clearing_tells_how_many_versions_it_retired() {
    let mut vm = vm();
    let (_folder, path) = file("return 1");
    let load = format!("local path = {path:?} loadfile(path)");
    assert_eq!(eval(&mut vm, &format!("{load} return cache.clear(path)")), "1");
    assert_eq!(eval(&mut vm, &format!("{load} return cache.clear()")), "1");
    assert_eq!(eval(&mut vm, "return cache.clear() + cache.clear('/nowhere.lua')"), "0");
}

#[test]
fn loadfile_is_the_standard_one_even_when_a_script_replaces_that() {
    let mut vm = vm();
    let (_folder, path) = file("return x");
    let script = format!(
        "loadfile = error x = 1 local path = {path:?}
        local f, message = cache.loadfile(path, 'b')
        assert(f == nil and message == \"attempt to load a text chunk (mode is 'b')\")
        assert(not pcall(cache.loadfile, path, 'B'))
        assert(cache.loadfile('/nowhere.lua') == nil)
        return cache.loadfile(path)() .. cache.loadfile(path, 't', {{x = 2}})()"
    );
    assert_eq!(eval(&mut vm, &script), "12");
}

#[test]
fn reload_publishes_what_compiles() {
    let mut vm = vm();
    let (_folder, path) = file("return 1");
    let script = format!("local path = {path:?} assert(dofile(path) == 1)");
    eval(&mut vm, &script);
    std::fs::write(&path, "return (").unwrap();
    let message = eval(&mut vm, &format!("return select(2, cache.reload({path:?}))"));
    assert!(message.ends_with("x.lua:1: unexpected symbol near <eof>"), "{message}");
    assert_eq!(eval(&mut vm, &format!("return dofile({path:?})")), "1");
    std::fs::write(&path, "return 2").unwrap();
    assert_eq!(eval(&mut vm, &format!("return cache.reload({path:?})")), "2");
    assert_eq!(eval(&mut vm, &format!("return dofile({path:?})")), "2");
}

#[test]
fn stats_tell_every_chunk_and_the_sums() {
    let mut vm = vm();
    let (_folder, path) = file("return function() end");
    let script = format!(
        "f = dofile({path:?}) g = dofile({path:?})
        local stats = cache.stats() local chunk = stats.chunks[1]
        assert(#stats.chunks == 1 and #stats.retired == 0)
        assert(chunk.name == {path:?} and chunk.version == 1 and chunk.compat_54 == false)
        assert(chunk.users == 1 and chunk.hits == 1 and chunk.compile_time_ns > 0)
        assert(chunk.size_bytes == stats.totals.size_bytes and stats.totals.compiled == 1)
        cache.clear()
        stats = cache.stats()
        assert(#stats.chunks == 0 and stats.retired[1].version == 1)
        assert(stats.totals.retired_users == 1 and stats.totals.retired_bytes > 0)
        assert(stats.totals.hits == 1)
        assert(stats.shared.images > 0 and stats.shared.string_bytes > stats.shared.strings)
        return 'fine'"
    );
    let canonical = path.canonicalize().unwrap();
    assert_eq!(canonical, path, "the folder for temporary files is not canonical");
    assert_eq!(eval(&mut vm, &script), "fine");
}

#[test]
fn a_vm_without_a_cache_says_so() {
    let mut vm = Vm::builder().build().unwrap();
    crate::api::modules::furnish(&mut vm.stack());
    let message = eval(&mut vm, "return cache.mode()");
    assert!(message.ends_with("this VM has no code cache"), "{message}");
}

#[test]
fn programs_for_skynet_find_it_as_codecache() {
    let (_folder, path) = file("return 7");
    let mut vm = vm();
    let script = format!(
        "local codecache, path = require 'skynet.codecache', '{}'
         for _ = 1, 2 do assert(codecache.loadfile(path))() end
         assert(#cache.stats().chunks == 1 and codecache.stats().totals.hits == 1)
         assert(codecache.mode 'EXIST' == 'ON' and cache.mode() == 'EXIST')
         return codecache.clear() .. ' ' .. #cache.stats().chunks",
        path.display()
    );
    assert_eq!(eval(&mut vm, &script), "1 0");
}
