//! One copy: spellings, versions, modes, and what is freed when.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::super::{CodeCache, Mode};
use super::vm::{Files, TestVm};

#[test]
fn spellings_of_one_file_are_one_entry_and_keep_their_chunk_names() {
    let files = Files::new();
    let path = files.write("x.lua", "return debug.getinfo(1, 'S').source");
    symlink(&path, files.path("link.lua")).unwrap();
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    for _ in 0..2 {
        for name in ["x.lua", "./x.lua", "link.lua"] {
            vm.set_path("path", &files.path(name));
            assert_eq!(vm.eval("return dofile(path) == '@' .. path"), "true", "{name}");
        }
    }
    let stats = cache.stats();
    assert_eq!((stats.chunks.len(), stats.totals.compiled, stats.totals.hits), (1, 1, 5));
}

#[test]
fn the_name_reaches_inner_functions_and_errors() {
    let files = Files::new();
    let path = files.write("x.lua", "return function()\nerror('here') end");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.eval(&format!("dofile({path:?})"));
    vm.set_path("path", &files.path("./x.lua"));
    let message = vm.eval("return select(2, pcall(dofile(path)))");
    assert!(message.ends_with("/./x.lua:2: here"), "{message}");
}

#[test]
fn modes_decide_who_publishes_and_who_uses() {
    let files = Files::new();
    let path = files.write("x.lua", "return 1");
    let cache = Arc::new(CodeCache::new());
    let load = |mode| TestVm::with_mode(&cache, mode).eval(&format!("return dofile({path:?})"));
    let compiled_and_hits = || {
        let totals = cache.stats().totals;
        (totals.compiled, totals.hits, totals.private)
    };
    load(Mode::Off);
    load(Mode::Exist);
    assert_eq!(compiled_and_hits(), (0, 0, 2));
    load(Mode::On);
    assert_eq!(compiled_and_hits(), (1, 0, 2));
    load(Mode::Exist);
    assert_eq!(compiled_and_hits(), (1, 1, 2));
    load(Mode::Off);
    assert_eq!(compiled_and_hits(), (1, 1, 3));
}

#[test]
fn an_edit_shows_after_a_clear_and_old_code_runs_on() {
    let files = Files::new();
    let path = files.write("x.lua", "return function() return 'old' end");
    let cache = Arc::new(CodeCache::new());
    let (early, late) = (TestVm::new(&cache), TestVm::new(&cache));
    early.eval(&format!("f = dofile({path:?})"));
    files.write("x.lua", "return function() return 'new' end");
    assert_eq!(late.eval(&format!("return dofile({path:?})()")), "old");
    assert_eq!(cache.clear_chunk(&path), 1);
    assert_eq!(late.eval(&format!("return dofile({path:?})()")), "new");
    assert_eq!(early.eval("return f()"), "old");
}

#[test]
fn a_link_that_points_elsewhere_shows_after_a_clear() {
    let files = Files::new();
    let (one, two) = (files.write("1.lua", "return 1"), files.write("2.lua", "return 2"));
    let link = files.path("link.lua");
    symlink(&one, &link).unwrap();
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &link);
    assert_eq!(vm.eval("return dofile(path)"), "1");
    std::fs::remove_file(&link).unwrap();
    symlink(&two, &link).unwrap();
    cache.clear();
    assert_eq!(vm.eval("return dofile(path)"), "2");
}

#[test]
fn a_deleted_file_can_be_cleared() {
    let files = Files::new();
    let path = files.write("x.lua", "return 1");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    vm.eval("return dofile(path)");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(vm.eval("return dofile(path)"), "1");
    assert_eq!(cache.clear_chunk(&path), 1);
    assert!(vm.run("return dofile(path)").unwrap_err().starts_with("cannot open"));
}

#[test]
fn statistics_tell_versions_users_and_hits() {
    let files = Files::new();
    let path = files.write("x.lua", "return function() end");
    let cache = Arc::new(CodeCache::new());
    let (one, two) = (TestVm::new(&cache), TestVm::new(&cache));
    for vm in [&one, &two, &two] {
        vm.eval(&format!("f = dofile({path:?})"));
    }
    let stats = cache.stats();
    let [chunk] = &stats.chunks[..] else { panic!("{stats:?}") };
    assert_eq!(chunk.name, path.canonicalize().unwrap().display().to_string());
    assert_eq!((chunk.version, chunk.users, chunk.hits), (1, 2, 2));
    assert!(chunk.size_bytes > 100 && chunk.size_bytes == stats.totals.size_bytes);
    assert!(chunk.compile_time.as_nanos() > 0);

    cache.clear();
    one.eval(&format!("f = dofile({path:?})"));
    one.collect();
    let stats = cache.stats();
    assert_eq!(stats.chunks[0].version, 2);
    assert_eq!((stats.retired[0].version, stats.retired[0].users), (1, 1));
    assert_eq!(stats.totals.retired_users, 1);
    drop(two);
    assert!(cache.stats().retired.is_empty());
    assert_eq!(cache.stats().totals.hits, 2);
}

#[test]
fn a_vm_that_lives_on_lets_go_of_code_it_collected() {
    let files = Files::new();
    let path = files.write("x.lua", "return function() end");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.eval(&format!("f = dofile({path:?})"));
    cache.clear();
    vm.collect();
    assert_eq!(cache.stats().retired.len(), 1, "the function is still there");
    vm.eval("f = nil");
    vm.collect();
    cache.sweep();
    assert!(cache.stats().retired.is_empty());
}

#[test]
fn a_vm_that_loads_code_again_and_again_keeps_it_through_a_collection_until_it_is_retired() {
    let files = Files::new();
    let path = files.write("x.lua", "return function() end");
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("path", &path);
    vm.eval("loadfile(path) loadfile(path) loadfile(path)");
    vm.collect();
    assert_eq!(cache.stats().chunks[0].users, 1, "it was loaded while it was in use");
    vm.collect();
    assert_eq!(cache.stats().chunks[0].users, 0);
    vm.eval("loadfile(path) loadfile(path) loadfile(path)");
    cache.clear();
    vm.collect();
    cache.sweep();
    assert!(cache.stats().retired.is_empty());
}

#[test]
fn embedded_texts_are_cached_and_cleared_by_name() {
    let cache = Arc::new(CodeCache::new());
    let text = "return debug.getinfo(1, 'S').source";
    for _ in 0..2 {
        assert_eq!(TestVm::new(&cache).run_named("lib/hive.lua", text).unwrap(), "=lib/hive.lua");
    }
    let private = TestVm::with_mode(&cache, Mode::Off);
    assert_eq!(private.run_named("lib/hive.lua", text).unwrap(), "=lib/hive.lua");
    let totals = cache.stats().totals;
    assert_eq!((totals.compiled, totals.hits, totals.private), (1, 1, 1));
    assert_eq!(cache.clear_chunk("lib/hive.lua"), 1);
    let broken = TestVm::new(&cache).run_named("broken", "return (").unwrap_err();
    assert!(broken.starts_with("broken:1: unexpected symbol"), "{broken}");
}

#[test]
fn two_caches_in_one_process_know_nothing_of_each_other() {
    let files = Files::new();
    let path = files.write("x.lua", "return 1");
    let (one, two) = (Arc::new(CodeCache::new()), Arc::new(CodeCache::new()));
    for cache in [&one, &two] {
        TestVm::new(cache).eval(&format!("dofile({path:?})"));
    }
    assert_eq!(one.clear(), 1);
    assert_eq!(two.stats().chunks.len(), 1);
}

#[test]
fn a_finalizer_may_load_code_in_the_middle_of_a_load() {
    let files = Files::new();
    let (outer, inner) =
        (files.write("outer.lua", "return 'outer'"), files.write("inner.lua", "return 'inner'"));
    let cache = Arc::new(CodeCache::new());
    let vm = TestVm::new(&cache);
    vm.set_path("outer", &outer);
    vm.set_path("inner", &inner);
    let script = "collectgarbage('param', 'pause', 0) seen = 0
        local function litter()
            setmetatable({}, {__gc = function() seen = seen + 1 assert(dofile(inner) == 'inner') end})
        end
        for _ = 1, 3000 do litter() assert(dofile(outer) == 'outer') end
        return seen > 100";
    assert_eq!(vm.eval(script), "true");
}
