//! Eight threads that build VMs, load, run, collect and close, with clears and reloads in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moonhive::code::CodeCache;

use crate::support::{Folder, eval, run, vm_over};

const THREADS: usize = 8;
const MODULES: usize = 6;

/// Each module uses its neighbour, so that code of several versions meets in one VM.
fn module(number: usize, edit: usize) -> String {
    format!(
        "local M = {{name = 'm{number}', edit = {edit}}}
        local words = {{'gold', 'key {edit}', 'm{number}'}}
        function M.words() return table.concat(words, ' ') end
        function M.next() return require('m{}') end
        return M",
        (number + 1) % MODULES
    )
}

#[test]
fn threads_clone_run_collect_and_close_while_others_clear_and_reload() {
    let folder = Folder::new();
    for number in 0..MODULES {
        folder.write(&format!("m{number}.lua"), &module(number, 0));
    }
    let cache = Arc::new(CodeCache::new());
    let done = AtomicBool::new(false);
    let prologue = format!("package.path = {:?}", folder.path("?.lua"));
    let walk = format!(
        "{prologue} local m, count = require 'm0', 0
        repeat
            assert(m.words() == 'gold key ' .. m.edit .. ' ' .. m.name)
            m, count = m.next(), count + 1
        until m.name == 'm0'
        return count"
    );
    std::thread::scope(|scope| {
        for thread in 0..THREADS - 1 {
            let (cache, done, walk) = (&cache, &done, &walk);
            scope.spawn(move || {
                for round in 0..150 {
                    let mut vm = vm_over(cache);
                    // Some VMs know a constant before the code that brings it.
                    eval(&mut vm, "word = ('go'):rep(1) .. 'ld' return word");
                    assert_eq!(eval(&mut vm, walk), MODULES.to_string());
                    if (thread + round) % 3 == 0 {
                        eval(&mut vm, "package.loaded.m1 = nil collectgarbage() return 1");
                        assert_eq!(eval(&mut vm, walk), MODULES.to_string());
                    }
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            let mut vm = vm_over(&cache);
            let mut edit = 0;
            while !done.load(Ordering::SeqCst) {
                edit += 1;
                let number = edit % MODULES;
                let path = folder.write(&format!("m{number}.lua"), &module(number, edit));
                let script = match edit % 3 {
                    0 => "return require 'cache'.clear()".to_owned(),
                    1 => format!("return require 'cache'.clear({path:?})"),
                    _ => format!("return assert(require 'cache'.reload({path:?}))"),
                };
                run(&mut vm, &script).unwrap();
            }
        });
    });
    cache.clear();
    let stats = cache.stats();
    assert!(stats.retired.is_empty(), "{:?}", stats.retired);
}
