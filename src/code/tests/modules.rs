//! What `require` remembers of its searches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{CodeCache, Mode};
use super::vm::{Files, TestVm, dump};

/// A VM that looks for modules in two folders, and what `require('m')` gives there: the result of
/// the module and the name of its file.
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

#[test]
fn clearing_or_reloading_a_file_that_lies_earlier_in_the_path_is_enough() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    require(&cache, Mode::On, &files).unwrap();
    let new = files.write("one/m.lua", "return 'new'");
    assert_eq!(cache.clear_chunk(&new), 0);
    assert!(require(&cache, Mode::On, &files).unwrap().starts_with("new "));

    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    require(&cache, Mode::On, &files).unwrap();
    let new = files.write("one/m.lua", "return 'new'");
    TestVm::new(&cache).reload(&new).unwrap();
    assert!(require(&cache, Mode::On, &files).unwrap().starts_with("new "));
}

#[test]
fn binary_modules_have_the_name_of_their_file() {
    let (files, cache) = (two_folders(), Arc::new(CodeCache::new()));
    let file = files.write("two/m.lua", dump("return (select(2, ...))")).display().to_string();
    for _ in 0..2 {
        assert_eq!(require(&cache, Mode::On, &files).unwrap(), format!("{file} {file}"));
    }
}

/// Finalizers run where the searcher pushes what it has found.
#[test]
fn a_finalizer_may_clear_and_load_in_the_middle_of_a_search() {
    let (files, cache) = (Files::new(), Arc::new(CodeCache::new()));
    let folder = "a folder with a name that is too long for strings to be short";
    std::fs::create_dir(files.path(folder)).unwrap();
    for name in ["one", "two", "other"] {
        files.write(&format!("{folder}/{name}.lua"), format!("return '{name}'"));
    }
    let vm = TestVm::new(&cache);
    vm.set_path("package.path", &files.path(&format!("{folder}/?.lua")));
    vm.set_path("other", &files.path(&format!("{folder}/other.lua")));
    let clearing = cache.clone();
    let done = Arc::new(AtomicBool::new(false));
    let clearer = std::thread::spawn({
        let done = done.clone();
        move || {
            while !done.load(Ordering::Relaxed) {
                clearing.clear();
            }
        }
    });
    let found = vm.run(
        "local runs = 0
         local function watch()
           setmetatable({}, { __gc = function() runs = runs + 1 loadfile(other) watch() end })
         end
         watch()
         collectgarbage('incremental')
         collectgarbage('param', 'pause', 1)
         local search = package.searchers[2]
         for round = 1, 3000 do
           local name = round % 2 == 0 and 'one' or 'two'
           local loader, file = search(name)
           assert(loader(name, file) == name and file:find(name .. '.lua', 1, true), file)
         end
         return runs > 10",
    );
    done.store(true, Ordering::Relaxed);
    clearer.join().unwrap();
    assert_eq!(found.as_deref(), Ok("true"));
}
