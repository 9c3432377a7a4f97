//! Many VMs on many threads: compile once, clear among loads, let go of everything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use super::super::CodeCache;
use super::vm::{Files, TestVm};

const THREADS: usize = 8;

#[test]
fn threads_that_miss_together_compile_once() {
    let files = Files::new();
    let body = (0..500).map(|line| format!("t[{line}] = function() return {line} end\n"));
    let text = format!("local t = {{}} {} return #t", body.collect::<String>());
    let path = files.write("x.lua", text);
    let cache = Arc::new(CodeCache::new());
    let together = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let vm = TestVm::new(&cache);
                together.wait();
                assert_eq!(vm.eval(&format!("return dofile({path:?})")), "499");
            });
        }
    });
    let totals = cache.stats().totals;
    assert_eq!((totals.compiled, totals.hits), (1, THREADS as u64 - 1));
}

#[test]
fn threads_that_miss_a_broken_file_together_all_hear_why() {
    let files = Files::new();
    let path = files.write("x.lua", "return (");
    let cache = Arc::new(CodeCache::new());
    let together = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let vm = TestVm::new(&cache);
                together.wait();
                let error = vm.run(&format!("return dofile({path:?})")).unwrap_err();
                assert!(error.ends_with(":1: unexpected symbol near <eof>"), "{error}");
            });
        }
    });
    assert!(cache.stats().chunks.is_empty());
}

/// One thread edits and clears; the others load, run, collect and close, and check that no load
/// gets an edit older than the last one cleared before it.
#[test]
fn clears_among_loads_serve_whole_versions_that_are_never_outdated() {
    let files = Files::new();
    // Written under another name and moved: a reader sees one edit or the other.
    let write = |edit: u64| {
        let text = format!("local function f() return {edit} end return f() * 10 + {}", edit % 10);
        std::fs::rename(files.write("new.lua", text), files.path("x.lua")).unwrap();
    };
    write(1);
    let path = files.path("x.lua");
    let cache = Arc::new(CodeCache::new());
    let (cleared, done) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(|| {
                let mut vm = TestVm::new(&cache);
                for round in 0..u64::MAX {
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                    let before = cleared.load(Ordering::SeqCst);
                    let served: u64 = vm.eval(&format!("return dofile({path:?})")).parse().unwrap();
                    let edit = served / 10;
                    assert_eq!(served % 10, edit % 10, "half of one edit, half of another");
                    assert!(edit >= before, "served {edit} after {before} was cleared");
                    match round % 8 {
                        3 => vm.collect(),
                        7 => vm = TestVm::new(&cache),
                        _ => {}
                    }
                }
            });
        }
        for edit in 2..300 {
            write(edit);
            if edit % 2 == 0 {
                cache.clear();
            } else {
                cache.clear_chunk(&path);
            }
            cleared.store(edit, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    cache.clear();
    let stats = cache.stats();
    assert!(stats.retired.is_empty() && stats.chunks.is_empty(), "{stats:?}");
}
