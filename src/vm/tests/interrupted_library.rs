//! Interruptions inside the standard library and in what it calls: metamethods, callbacks, readers,
//! patterns, the compiler. Each case would run for hours by itself.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::interrupts::Monitor;
use super::{run, vm_with};
use crate::code::{CodeCache, Mode};
use crate::vm::{Interruption, Vm, Worker};

/// A case that takes longer hangs; the process ends then, since nothing else can stop it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Ends the process if it is not dropped in time.
struct Watchdog(#[expect(dead_code, reason = "dropping it tells the thread")] mpsc::Sender<()>);

impl Watchdog {
    fn over(what: &'static str) -> Watchdog {
        let (finished, wait) = mpsc::channel();
        std::thread::spawn(move || {
            if wait.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("not interrupted within {WATCHDOG:?}: {what}");
                std::process::abort();
            }
        });
        Watchdog(finished)
    }
}

/// Defines what the cases use: a function that never ends, an object all of whose metamethods are
/// it.
const PRELUDE: &str = "
    local function loop() while true do end end
    local object = setmetatable({}, {__tostring = loop, __close = loop, __lt = loop, __concat = loop,
      __index = loop, __len = loop, __pairs = loop, __call = loop, __eq = loop, __name = 'object'})
    local function many(n) local t = {} for i = 1, n do t[i] = i * 7919 % n end return t end ";

/// Runs each case in a VM of its own under this kind of interruption.
fn check_all(cases: &[(&'static str, &str)], interruption: Interruption) {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), interruption);
    for (what, code) in cases {
        let _watchdog = Watchdog::over(what);
        let mut vm = vm_with(&[]);
        let code = format!("{PRELUDE}{code}");
        let ended = run(&mut worker.turn(&mut vm), &code);
        let message = ended.expect_err(what).message;
        assert!(message.contains("interrupted"), "{what}: {message}");
        if interruption == Interruption::Once {
            assert_eq!(run(&mut worker.turn(&mut vm), "return 1").as_deref(), Ok("1"), "{what}");
        }
        worker.close(vm);
    }
}

/// Lua functions that the library calls and that never return.
const CALLBACKS: &[(&str, &str)] = &[
    ("format", "string.format('%s', object)"),
    ("tostring", "tostring(object)"),
    ("print", "print(object)"),
    ("a comparator", "table.sort(many(100), loop)"),
    ("a metamethod of sort", "table.sort({object, object, object})"),
    ("a callback of gsub", "string.gsub('x', '.', loop)"),
    ("a table of gsub", "string.gsub('x', '.', object)"),
    ("a reader", "assert(load(loop))"),
    ("a length", "table.unpack(object)"),
    ("pairs", "pairs(object)"),
    ("an iterator", "for _ in loop do end"),
    ("concat", "table.concat(setmetatable({}, {__len = function() return 3 end, __index = loop}))"),
    ("tostring in a pattern", "for _ in ('x'):gmatch('x') do tostring(object) end"),
    ("a searcher", "table.insert(package.searchers, 1, loop) require 'x'"),
    ("a preloaded module", "package.preload.x = loop require 'x'"),
];

/// Where one error is not enough: a handler that fails is an error in error handling, a hook stays
/// set, a finalizer may have left another one.
const STUBBORN: &[(&str, &str)] = &[
    ("error to a message handler", "assert(xpcall(error, loop, 1))"),
    ("a hook", "debug.sethook(loop, '', 1) local x = 1"),
    ("a hook for lines", "debug.sethook(loop, 'l')\nlocal x = 1\nlocal y = 2"),
    (
        "a finalizer that makes another",
        "local mt = {} mt.__gc = function(o) setmetatable({}, mt) while true do end end
         setmetatable({}, mt) while true do collectgarbage() end",
    ),
];

/// Ends of coroutines, blocks and objects that never come.
const ENDS: &[(&str, &str)] = &[
    (
        "the close of a coroutine",
        "local co = coroutine.create(function() local c <close> = object coroutine.yield() end)
         coroutine.resume(co) assert(coroutine.close(co))",
    ),
    (
        "the close of a coroutine that closes another",
        "local function closing(f) return setmetatable({}, {__close = f}) end
         local function open(f)
           local co = coroutine.create(function() local c <close> = closing(f) coroutine.yield() end)
           coroutine.resume(co) return co
         end
         local inner = open(loop)
         local outer = open(function() assert(coroutine.close(inner)) end)
         assert(coroutine.close(outer))",
    ),
    (
        "the close of a coroutine that failed",
        "local f = coroutine.wrap(function() local c <close> = object error 'x' end) f()",
    ),
    ("a block left by an error", "do local c <close> = object error 'x' end"),
    ("a block left by break", "while true do local c <close> = object break end"),
    ("the end of an iteration", "for _ in function() end, nil, nil, object do end"),
    ("a finalizer", "setmetatable({}, {__gc = loop}) collectgarbage() while true do end"),
    (
        "a finalizer in a step",
        "setmetatable({}, {__gc = loop}) for i = 1, 1e9 do local t = {} end",
    ),
];

/// Loops of the library itself.
const LOOPS: &[(&str, &str)] = &[
    (
        "a comparator without order",
        "while true do pcall(table.sort, many(1000), function() return true end) end",
    ),
    ("backtracking of a set", "(('a'):rep(30) .. 'c'):match(('[ab]*'):rep(30) .. 'd')"),
    ("a long set", "('a'):rep(1e6):find('^[' .. ('b'):rep(1e6) .. 'a]*c')"),
    ("a long set, shortest first", "('a'):rep(1e6):find('^[' .. ('b'):rep(1e6) .. 'a]-c')"),
    ("back references", "(('a'):rep(3e5)):find('(a*)%1b')"),
    ("balanced brackets", "(('('):rep(1e6)):find('%b()')"),
    ("a reader of blanks", "assert(load(function() return ' ' end))"),
    (
        "a reader of strings",
        "local n = 0 assert(load(function() n = n + 1 return n == 1 and '\"' or 'x' end))",
    ),
    ("a chain of elseif", "load('if a then ' .. ('elseif a then '):rep(1e6) .. 'end')"),
    ("a chain of and", "load('x = a ' .. ('and a '):rep(1e6))"),
    (
        "the same from a reader",
        "local n = 0 load(function() n = n + 1 return n == 1 and 'if a then ' or n < 1e6 and 'elseif a then ' or nil end)",
    ),
    (
        "concat of nothing",
        "local t = setmetatable({}, {__index = function() return '' end}) table.concat(t, '', 1, math.maxinteger)",
    ),
    ("move", "table.move({}, 1, math.maxinteger - 1, 2)"),
];

#[test]
fn callbacks_of_the_library_are_killed() {
    check_all(CALLBACKS, Interruption::Kill);
    check_all(STUBBORN, Interruption::Kill);
}

#[test]
fn callbacks_of_the_library_get_an_error() {
    check_all(CALLBACKS, Interruption::Once);
}

#[test]
fn ends_that_never_come_are_killed() {
    check_all(ENDS, Interruption::Kill);
}

#[test]
fn ends_that_never_come_get_an_error() {
    check_all(ENDS, Interruption::Once);
}

#[test]
fn loops_of_the_library_are_killed() {
    check_all(LOOPS, Interruption::Kill);
}

#[test]
fn a_compilation_for_the_cache_ends_with_the_vm_that_asked() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path().join("long.lua");
    std::fs::write(&path, format!("if a then {} end", "elseif a then ".repeat(1_000_000)))
        .expect("a file");
    let worker = Worker::new();
    let _watchdog = Watchdog::over("a compilation for the cache");
    let code = format!("dofile('{}') while true do end", path.display());
    for interruption in [Interruption::Kill, Interruption::Once] {
        let _monitor = Monitor::start(worker.interrupter(), interruption);
        let cache = Arc::new(CodeCache::new());
        let mut vm = Vm::builder().code(cache.clone(), Mode::On).build().expect("a VM");
        let error = run(&mut worker.turn(&mut vm), &code).expect_err("it must be interrupted");
        assert!(error.message.contains("interrupted"), "{error}");
        assert_eq!((cache.stats().totals.compiled, cache.stats().totals.failed), (0, 1));
        worker.close(vm);
    }
}
