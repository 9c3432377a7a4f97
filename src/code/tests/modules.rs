//! What `require` remembers of its searches.

use std::sync::Arc;

use super::super::{CodeCache, Mode};
use super::vm::{Files, TestVm};

/// A VM that looks for modules in two folders, and what `require('m')` gives there: the result of the
/// module and the name of its file.
fn require(cache: &Arc<CodeCache>, mode: Mode, files: &Files) -> Result<String, String> {
    let vm = TestVm::with_mode(cache, mode);
    let path =
        format!("{};{}", files.path("one/?.lua").display(), files.path("two/?.lua").display());
    vm.eval(&format!("package.path = {path:?}"));
    vm.run("return require('m')")
}

fn two_folders() -> Files {
    let files = Files::new();
    std::fs::create_dir(files.path("one")).unwrap();
    std::fs::create_dir(files.path("two")).unwrap();
    files.write("two/m.lua", "return (select(2, ...))");
    files
}

#[test]
fn a_module_is_found_again_without_asking_the_file_system() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    let found = require(&cache, Mode::On, &files).unwrap();
    let file = files.path("two/m.lua").display().to_string();
    assert_eq!(found, format!("{file} {file}"));
    std::fs::remove_file(&file).unwrap();
    for mode in [Mode::On, Mode::Exist] {
        assert_eq!(require(&cache, mode, &files).as_ref(), Ok(&found), "{mode}");
    }
    let totals = cache.stats().totals;
    assert_eq!((totals.compiled, totals.hits), (1, 2));
}

#[test]
fn a_vm_that_does_not_use_the_cache_always_searches() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    require(&cache, Mode::On, &files).unwrap();
    std::fs::remove_file(files.path("two/m.lua")).unwrap();
    let error = require(&cache, Mode::Off, &files).unwrap_err();
    assert!(error.contains("module 'm' not found"), "{error}");
}

#[test]
fn a_file_that_comes_earlier_in_the_path_is_seen_after_a_clear() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    let old = require(&cache, Mode::On, &files);
    files.write("one/m.lua", "return 'new'");
    assert_eq!(require(&cache, Mode::On, &files), old);
    cache.clear();
    assert!(require(&cache, Mode::On, &files).unwrap().starts_with("new "));
}

#[test]
fn clearing_a_module_forgets_where_it_was_found() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    require(&cache, Mode::On, &files).unwrap();
    assert_eq!(cache.clear_chunk(files.path("two/m.lua")), 1);
    std::fs::remove_file(files.path("two/m.lua")).unwrap();
    let error = require(&cache, Mode::On, &files).unwrap_err();
    assert!(error.contains("no file"), "{error}");
}

#[test]
fn a_search_that_found_nothing_is_made_again() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    std::fs::rename(files.path("two/m.lua"), files.path("two/other.lua")).unwrap();
    require(&cache, Mode::On, &files).unwrap_err();
    std::fs::rename(files.path("two/other.lua"), files.path("two/m.lua")).unwrap();
    require(&cache, Mode::On, &files).unwrap();
}
