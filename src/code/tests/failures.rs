//! Loads that fail: they say what stock Lua says, and break nothing.

use std::sync::Arc;

use super::super::{CodeCache, LoadError, Mode};
use super::vm::{Files, TestVm};

/// A module large enough to need more memory than a small limit.
fn large_module() -> String {
    let lines = (0..2000).map(|line| format!("t[{line}] = function() return 'x{line}' end\n"));
    format!("local t = {{}}\n{}return 'large'", lines.collect::<String>())
}

#[test]
fn a_syntax_error_reads_as_stock_lua_has_it_for_each_spelling() {
    let files = Files::new();
    files.write("x.lua", "local a = = 1");
    let cache = Arc::new(CodeCache::new());
    let (cached, stock) = (TestVm::new(&cache), TestVm::with_mode(&cache, Mode::Off));
    for path in [files.path("x.lua"), files.path("./x.lua")] {
        for vm in [&cached, &stock] {
            vm.set_path("path", &path);
        }
        let expected = stock.eval("return loadfile(path)");
        assert!(expected.contains(":1: unexpected symbol near '='"), "{expected}");
        assert_eq!(cached.eval("return loadfile(path)"), expected);
    }
}

#[test]
fn a_syntax_error_is_not_cached() {
    let files = Files::new();
    let path = files.write("x.lua", "return (");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    assert!(vm.run("return dofile(path)").is_err());
    assert!(cache.stats().chunks.is_empty());
    files.write("x.lua", "return 'repaired'");
    assert_eq!(vm.eval("return dofile(path)"), "repaired");
}

#[test]
fn a_reload_that_does_not_compile_leaves_the_version_that_is_there() {
    let files = Files::new();
    let path = files.write("x.lua", "return 'old'");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    assert_eq!(vm.eval("return dofile(path)"), "old");
    files.write("x.lua", "return (");
    let error = vm.reload(&path).unwrap_err();
    assert!(matches!(error, LoadError::Rejected(_)), "{error}");
    assert!(error.to_string().ends_with("unexpected symbol near <eof>"), "{error}");
    assert_eq!(vm.eval("return dofile(path)"), "old");
    files.write("x.lua", "return 'new'");
    assert_eq!(vm.reload(&path).unwrap(), 2);
    assert_eq!(TestVm::new(&cache).eval(&format!("return dofile({path:?})")), "new");
    assert_eq!(vm.eval("return dofile(path)"), "new");
}

#[test]
fn a_compilation_counts_against_the_limit_of_the_vm_that_asks() {
    let files = Files::new();
    let path = files.write("x.lua", large_module());
    let cache = Arc::new(CodeCache::new());
    let (poor, rich) = (TestVm::new(&cache), TestVm::new(&cache));
    for vm in [&poor, &rich] {
        vm.set_path("path", &path);
    }
    poor.collect();
    poor.limit_to_more(Some(100 << 10));
    for _ in 0..3 {
        assert_eq!(poor.run("return dofile(path)").unwrap_err(), "not enough memory");
    }
    assert_eq!(rich.eval("return dofile(path)"), "large");
    // Once somebody has compiled it, it fits.
    assert_eq!(poor.eval("return dofile(path)"), "large");
    poor.limit_to_more(None);
}

#[test]
fn garbage_makes_way_for_a_compilation() {
    let files = Files::new();
    let path = files.write("x.lua", large_module());
    let cache = Arc::new(CodeCache::new());
    let measured = TestVm::new(&cache);
    measured.set_path("path", &path);
    measured.take_peak_bytes();
    let before = measured.used_bytes();
    measured.eval("return dofile(path)");
    let needed = measured.take_peak_bytes() - before;
    cache.clear();

    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    vm.collect();
    vm.limit_to_more(Some(needed + needed / 2));
    vm.eval(&format!("local garbage = string.rep('x', {needed})"));
    assert_eq!(vm.eval("return dofile(path)"), "large");
    vm.limit_to_more(None);
}

#[test]
fn memory_that_runs_out_anywhere_in_a_load_is_an_error_of_that_load() {
    let files = Files::new();
    let path = files.write(
        "x.lua",
        "local t = {} for i = 1, 3 do t[i] = function() return i end end return #t",
    );
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    let mut failures = 0;
    for spare in (0..40_000).step_by(16) {
        if spare % 160 == 0 {
            cache.clear();
        }
        vm.collect();
        vm.limit_to_more(Some(spare));
        let result = vm.run("return dofile(path)");
        vm.limit_to_more(None);
        match result {
            Ok(result) => assert_eq!(result, "3"),
            Err(error) => {
                assert_eq!(error, "not enough memory");
                failures += 1;
            }
        }
    }
    assert!(failures > 10, "{failures}");
    assert_eq!(vm.eval("return dofile(path)"), "3");
}

#[test]
fn nesting_too_deep_for_the_parser_is_an_ordinary_error() {
    let files = Files::new();
    let path = files.write("x.lua", format!("return {}1{}", "(".repeat(500), ")".repeat(500)));
    let cache = Arc::new(CodeCache::new());
    let (cached, stock) = (TestVm::new(&cache), TestVm::with_mode(&cache, Mode::Off));
    for vm in [&cached, &stock] {
        vm.set_path("path", &path);
    }
    assert_eq!(cached.eval("return loadfile(path)"), stock.eval("return loadfile(path)"));
}
