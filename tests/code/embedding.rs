//! Texts that are part of the program, and VMs with a memory limit.

use std::sync::Arc;

use moonhive::code::{CodeCache, Mode};
use moonhive::vm::{ErrorKind, LoadMode, Vm};

use crate::support::{Folder, vm_over};

const TEXT: &str = "local name = ... return function() error(name .. ' failed') end";

#[test]
fn an_embedded_text_is_compiled_once_and_named_in_errors() {
    let cache = Arc::new(CodeCache::new());
    for _ in 0..3 {
        let mut vm = vm_over(&cache);
        let mut stack = vm.stack();
        stack.load_embedded("lib/thing.lua", TEXT).unwrap();
        stack.push_str("thing");
        stack.call(1, 1).unwrap();
        let error = stack.call(0, 0).unwrap_err();
        assert_eq!(error.message, "lib/thing.lua:1: thing failed");
    }
    let stats = cache.stats();
    assert_eq!(stats.chunks[0].name, "lib/thing.lua");
    assert_eq!((stats.totals.compiled, stats.totals.hits), (1, 2));
}

#[test]
fn an_embedded_text_needs_no_cache() {
    let mut vm = Vm::builder().build().unwrap();
    let mut stack = vm.stack();
    stack.load_embedded("lib/thing.lua", "return 7").unwrap();
    stack.call(0, 1).unwrap();
    assert_eq!(stack.integer(-1), Some(7));
}

#[test]
fn a_vm_without_room_for_a_compilation_fails_that_load_and_lives_on() {
    let folder = Folder::new();
    let body: String =
        (0..5000).map(|line| format!("t[{line}] = function() return 'x{line}' end\n")).collect();
    let path = folder.write("large.lua", &format!("local t = {{}}\n{body}return #t"));
    let cache = Arc::new(CodeCache::new());
    let limit = 256 << 10;
    let builder = Vm::builder().code(cache.clone(), Mode::On).memory_limit_bytes(limit);
    let mut poor = builder.build().unwrap();
    let error = poor.stack().load_file(&path, LoadMode::Any).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Memory, "not enough memory"));
    assert!(poor.memory().used_bytes < limit);

    vm_over(&cache).stack().load_file(&path, LoadMode::Any).unwrap();
    poor.stack().load_file(&path, LoadMode::Any).unwrap();
    let totals = cache.stats().totals;
    assert_eq!((totals.compiled, totals.hits), (1, 1));
    assert!(totals.failed >= 1);
}
