//! Relative paths and the working directory of the process.

use std::env::set_current_dir;
use std::sync::Arc;

use moonhive::code::CodeCache;

use crate::support::{Folder, eval, vm_over};

#[test]
fn a_relative_path_follows_the_working_directory() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        folder.write(&format!("{name}/x.lua"), &format!("return '{name}'"));
        folder.write(&format!("{name}/package/y.lua"), &format!("return '{name}'"));
    }
    let cache = Arc::new(CodeCache::new());
    let mut vm = vm_over(&cache);
    let source = "return debug.getinfo(loadfile('./x.lua'), 'S').source";
    for _ in 0..2 {
        for name in ["one", "two"] {
            set_current_dir(folder.path(name)).unwrap();
            assert_eq!(eval(&mut vm, "return dofile('x.lua')"), name);
            assert_eq!(eval(&mut vm, "return dofile('./x.lua')"), name);
            assert_eq!(eval(&mut vm, source), "@./x.lua");
            let require =
                "package.loaded.y = nil package.path = 'package/?.lua' return require 'y'";
            assert_eq!(eval(&mut vm, require), name);
        }
    }
    // Found again under any of its paths: two files of two names each, compiled once.
    let path = folder.path("one/x.lua");
    assert_eq!(eval(&mut vm, &format!("return dofile({path:?})")), "one");
    assert_eq!(cache.stats().totals.compiled, 4);

    set_current_dir(folder.path("two")).unwrap();
    assert_eq!(cache.clear_chunk("x.lua"), 1, "clearing starts from the working directory too");
    assert_eq!(cache.clear_chunk(folder.path("two/x.lua")), 0);
    set_current_dir("/").unwrap();
}
