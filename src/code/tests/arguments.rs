//! The arguments of `loadfile`, and everything else that must not tell a hit from a stock load.

use std::sync::Arc;

use super::super::{CodeCache, Mode};
use super::vm::{Files, TestVm, dump};

/// Runs a script in two VMs, the second without the cache, the first of them twice: miss, hit and
/// stock Lua must not differ.
#[track_caller]
fn same_in_all_modes(files: &Files, script: &str) -> Result<String, String> {
    let cache = Arc::new(CodeCache::new());
    let (cached, stock) = (TestVm::new(&cache), TestVm::with_mode(&cache, Mode::Off));
    for vm in [&cached, &stock] {
        vm.set_path("path", &files.path("x.lua"));
    }
    let expected = stock.run(script);
    assert_eq!(cached.run(script), expected, "a miss of {script}");
    assert_eq!(cached.run(script), expected, "a hit of {script}");
    expected
}

#[test]
fn the_mode_argument_keeps_its_meaning_on_a_hit() {
    let files = Files::new();
    for (content, kind) in [(b"return 7".to_vec(), "text"), (dump("return 7"), "binary")] {
        files.write("x.lua", content);
        for mode in ["'t'", "'b'", "'bt'", "'tb'", "''", "'x'", "nil"] {
            let script = format!("local f, m = loadfile(path, {mode}) return f and f(), m");
            let result = same_in_all_modes(&files, &script).unwrap();
            let admitted = mode == "nil" || mode.contains(&kind[..1]);
            assert_eq!(result == "7 nil", admitted, "{kind} {mode} {result}");
        }
    }
}

#[test]
fn a_chunk_refused_by_mode_is_still_cached_for_others() {
    let files = Files::new();
    files.write("x.lua", "return 7");
    let script = "return loadfile(path)(), select(2, loadfile(path, 'b')), loadfile(path, 't')()";
    let result = same_in_all_modes(&files, script);
    assert_eq!(result.unwrap(), "7 attempt to load a text chunk (mode is 'b') 7");
}

#[test]
fn the_environment_argument_sets_the_upvalue() {
    let files = Files::new();
    files.write("x.lua", "return x");
    let script = "x = 'global' local f, g = loadfile(path), loadfile(path, nil, {x = 'mine'})
        return f(), g(), f(), pcall(loadfile(path, 't', nil))";
    let result = same_in_all_modes(&files, script).unwrap();
    assert!(result.starts_with("global mine global false"), "{result}");
}

#[test]
fn closures_of_two_loads_have_upvalues_of_their_own() {
    let files = Files::new();
    files.write("x.lua", "local n = 0 return function() n = n + 1 return n end");
    let script = "local f, g = dofile(path), dofile(path) f() return f(), g()";
    assert_eq!(same_in_all_modes(&files, script).unwrap(), "2 1");
}

#[test]
fn arguments_reach_the_chunk() {
    let files = Files::new();
    files.write("x.lua", "return select('#', ...), ...");
    assert_eq!(same_in_all_modes(&files, "return loadfile(path)(1, nil)").unwrap(), "2 1 nil");
}

#[test]
fn byte_order_marks_and_hash_lines_count_as_lines_but_not_as_code() {
    let files = Files::new();
    let marked = [b"\xEF\xBB\xBF".as_slice(), b"#!/usr/bin/lua\nerror('here')"].concat();
    let cases = [marked, b"# only\n".to_vec(), b"#".to_vec(), b"".to_vec(), b"\n\n(".to_vec()];
    for content in cases {
        files.write("x.lua", &content);
        let script = "local f, m = loadfile(path) if not f then return m end return pcall(f)";
        same_in_all_modes(&files, script).unwrap();
    }
    files.write("x.lua", [b"#!moonhive\n", dump("return 9").as_slice()].concat());
    assert_eq!(same_in_all_modes(&files, "return dofile(path)").unwrap(), "9");
}

#[test]
fn dumped_closures_get_their_globals_in_the_first_upvalue() {
    let files = Files::new();
    let chunk = "local up = 5 return string.dump(function() return up end)";
    let writer = TestVm::new(&Arc::new(CodeCache::new()));
    writer.set_path("path", &files.path("x.lua"));
    writer.eval(&format!(
        "local f = io.open(path, 'wb') f:write(assert(load({chunk:?}))()) f:close()"
    ));
    let script = "return loadfile(path)() == _G, loadfile(path, nil, 3)()";
    assert_eq!(same_in_all_modes(&files, script).unwrap(), "true 3");
}

#[test]
fn missing_files_folders_and_broken_dumps_fail_as_ever() {
    let files = Files::new();
    let missing = same_in_all_modes(&files, "return loadfile(path)").unwrap();
    assert!(missing.contains("No such file or directory"), "{missing}");
    std::fs::create_dir(files.path("x.lua")).unwrap();
    same_in_all_modes(&files, "return loadfile(path)").unwrap();
    std::fs::remove_dir(files.path("x.lua")).unwrap();
    files.write("x.lua", b"\x1BLua but broken");
    same_in_all_modes(&files, "return loadfile(path)").unwrap();
}

#[test]
fn require_and_dofile_go_through_the_cache() {
    let files = Files::new();
    files.write("x.lua", "return {...}");
    let cache = Arc::new(CodeCache::new());
    for _ in 0..2 {
        let vm = TestVm::new(&cache);
        vm.set_path("package.path", &files.path("?.lua"));
        assert_eq!(vm.eval("return require('x')[1]"), "x");
        vm.set_path("path", &files.path("x.lua"));
        assert_eq!(vm.eval("return #dofile(path)"), "0");
    }
    let totals = cache.stats().totals;
    assert_eq!((totals.compiled, totals.hits), (1, 3));
}

#[test]
fn a_name_alone_is_read_up_to_a_zero_and_converted_like_any_other() {
    let files = Files::new();
    files.write("x.lua", "return 7");
    let script = r"loadfile(path)
        return loadfile(path .. '\0.txt')(), loadfile(path)(), (loadfile(path .. '0')), loadfile(12)";
    let result = same_in_all_modes(&files, script).unwrap();
    assert!(result.starts_with("7 7 nil nil cannot open"), "{result}");
}

#[test]
fn a_name_with_a_zero_is_no_search_for_a_module() {
    let files = Files::new();
    let folder = files.write("dx.lua", "return 'module'").parent().unwrap().display().to_string();
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    let script = format!(
        r"package.path = '{folder}/d?.lua' package.loaded.x = nil
          return require 'x', (loadfile('x\0' .. package.path)), loadfile('/x\0' .. package.path)"
    );
    let result = vm.eval(&script);
    assert!(result.starts_with("module nil nil cannot open /x"), "{result}");
    let script = format!(
        r"package.path = '{folder}?.lua' package.loaded['/dx'] = nil
          return require '/dx', loadfile('/dx\0' .. package.path)"
    );
    let result = vm.eval(&script);
    assert!(result.starts_with("module") && result.contains("nil cannot open /dx"), "{result}");
}

#[test]
fn a_hit_by_name_alone_is_counted_and_misses_nothing_that_was_cleared() {
    let files = Files::new();
    let path = files.write("x.lua", "return 1");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    assert_eq!(vm.eval("return loadfile(path)(), loadfile(path)(), loadfile(path)()"), "1 1 1");
    assert_eq!(cache.stats().totals.hits, 2);
    files.write("x.lua", "return 2");
    assert_eq!(vm.eval("return loadfile(path)()"), "1");
    cache.clear();
    assert_eq!(vm.eval("return loadfile(path)()"), "2");
    files.write("x.lua", dump("return ..., _ENV == _G"));
    cache.clear();
    assert_eq!(vm.eval("loadfile(path) return loadfile(path)('binary')"), "binary true");
    assert_eq!(cache.stats().totals.hits, 4, "3 of text, one of binary code");
}
