//! Interruptions: whatever runs without end is ended, or gets one error.

use std::sync::mpsc;
use std::time::Duration;

use super::coroutines::task;
use super::{run, vm_with};
use crate::vm::{Interrupter, Interruption, Resumed, Vm, Worker};

/// How long a loop runs before it is interrupted.
const PATIENCE: Duration = Duration::from_millis(20);

/// Interrupts each turn of `interrupter` once it has lasted for `PATIENCE`, until dropped.
pub(super) struct Monitor {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Monitor {
    pub(super) fn start(interrupter: Interrupter, interruption: Interruption) -> Monitor {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut seen = None;
            while stopped.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                match interrupter.turn() {
                    Some(turn) if seen == Some(turn) => {
                        interrupter.interrupt(turn, interruption);
                    }
                    turn => seen = turn,
                }
            }
        });
        Monitor { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the monitor does not panic");
        }
    }
}

/// Code that never ends by itself, and where the interruption reaches it.
const ENDLESS: &[(&str, &str)] = &[
    ("a loop", "while true do end"),
    ("a loop with a body", "local t = {} while true do t[1] = #t end"),
    ("a numeric loop", "for i = 1, math.huge do end"),
    ("goto", "::again:: goto again"),
    ("a tail call", "local function f() return f() end f()"),
    ("mutual recursion in pcall", "local function f() while true do pcall(f) end end f()"),
    ("backtracking", "string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40))"),
    ("gmatch", "for _ in ('a'):rep(40):gmatch(('a-'):rep(12) .. 'b') do end while true do end"),
    ("gsub", "while true do ('x'):rep(1000):gsub('.', function() pcall(error) end) end"),
    (
        "sort",
        "local t = {} for i = 1, 1000 do t[i] = i end
              while true do table.sort(t, function(a, b) return a * 7 % 13 < b * 7 % 13 end) end",
    ),
    (
        "ping and pong",
        "local a = coroutine.wrap(function() while true do coroutine.yield() end end)
                       while true do a() end",
    ),
    ("a coroutine", "coroutine.wrap(function() while true do end end)()"),
    ("new coroutines", "local function f() coroutine.wrap(f)() end while true do pcall(f) end"),
    (
        "a metamethod",
        "local t = setmetatable({}, {__index = function(t, k) return k end})
                      while true do local _ = t.x end",
    ),
    ("an iterator", "for _ in function() return 1 end do end"),
    ("rep", "while true do ('x'):rep(1 << 20) end"),
    ("concat", "local t = {} for i = 1, 1e5 do t[i] = 'x' end while true do table.concat(t) end"),
    ("load", "assert(load(function() return ' ' end))"),
    (
        "a block to close",
        "while true do local c <close> = setmetatable({}, {__close = print and
                          function() end}) end",
    ),
    (
        "a close method",
        "local c <close> = setmetatable({}, {__close = function()
                        while true do end end})",
    ),
];

fn interrupted_vm(worker: &Worker, code: &str) -> (Vm, String) {
    let mut vm = vm_with(&[]);
    let error = run(&mut worker.turn(&mut vm), code).expect_err("it must be interrupted");
    (vm, error.message)
}

#[test]
fn every_endless_loop_is_killed() {
    let worker = Worker::new();
    let monitor = Monitor::start(worker.interrupter(), Interruption::Kill);
    for (what, code) in ENDLESS {
        let (vm, message) = interrupted_vm(&worker, code);
        assert!(message.contains("interrupted"), "{what}: {message}");
        assert!(vm.is_killed(), "{what}");
        worker.close(vm);
    }
    drop(monitor);
}

#[test]
fn a_killed_vm_cannot_catch_its_end() {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), Interruption::Kill);
    for code in [
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local function f() pcall(f) while true do end end f()",
        "while true do local ok = pcall(string.find, ('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40)) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    ] {
        let (vm, message) = interrupted_vm(&worker, code);
        assert!(message.contains("interrupted"), "{code}: {message}");
        worker.close(vm);
    }
}

#[test]
fn one_interruption_is_one_error_and_the_vm_goes_on() {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), Interruption::Once);
    for (what, code) in ENDLESS.iter().filter(|(_, code)| !code.contains("pcall")) {
        let (mut vm, message) = interrupted_vm(&worker, code);
        assert!(message.contains("interrupted"), "{what}: {message}");
        assert!(!vm.is_killed());
        assert_eq!(run(&mut worker.turn(&mut vm), "return 1").as_deref(), Ok("1"), "{what}");
    }
}

#[test]
fn one_interruption_can_be_caught() {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), Interruption::Once);
    let mut vm = vm_with(&[]);
    let code = "return pcall(function() while true do end end)";
    assert_eq!(run(&mut worker.turn(&mut vm), code).as_deref(), Ok("false test:1: interrupted"));
}

/// Holds back the signals of interruptions on this thread, or lets them through.
fn hold_signals(how: libc::c_int) {
    // SAFETY: both sets are plain data on this stack, and the signal is one of ours.
    unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, libc::SIGURG);
        assert_eq!(libc::pthread_sigmask(how, &signals, std::ptr::null_mut()), 0);
    }
}

#[test]
fn a_question_that_comes_with_an_interruption_does_not_take_its_place() {
    let worker = Worker::new();
    let interrupter = worker.interrupter();
    let mut vm = vm_with(&[]);
    for order in
        [[Interruption::Once, Interruption::Tell], [Interruption::Tell, Interruption::Once]]
    {
        let mut stack = worker.turn(&mut vm);
        // Both signals become one.
        hold_signals(libc::SIG_BLOCK);
        for interruption in order {
            assert!(interrupter.interrupt(interrupter.turn().unwrap(), interruption));
        }
        hold_signals(libc::SIG_UNBLOCK);
        let caught = run(&mut stack, "return pcall(function() for i = 1, 10 do end end)");
        let message = caught.unwrap_or_else(|error| error.message);
        assert!(message.contains("interrupted"), "{order:?}: {message}");
    }
}

#[test]
fn finalizers_are_interrupted_when_they_run_and_when_the_vm_closes() {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), Interruption::Kill);
    let endless = "setmetatable({}, {__gc = function() while true do end end})";
    let mut vm = vm_with(&[]);
    let code = format!("{endless} collectgarbage() while true do end");
    run(&mut worker.turn(&mut vm), &code).expect_err("it must be interrupted");
    worker.close(vm);
    let mut vm = vm_with(&[]);
    run(&mut worker.turn(&mut vm), &format!("x, y = {endless}, {endless}")).expect("it ends");
    worker.close(vm);
}

#[test]
fn a_turn_that_is_over_cannot_be_interrupted() {
    let worker = Worker::new();
    let interrupter = worker.interrupter();
    let mut vm = vm_with(&[]);
    let turn = worker.turn(&mut vm).number();
    assert_eq!(interrupter.turn(), None);
    assert!(!interrupter.interrupt(turn, Interruption::Kill));
    let next = worker.turn(&mut vm);
    assert_eq!(interrupter.turn(), Some(next.number()));
    assert!(!interrupter.interrupt(turn, Interruption::Kill));
    drop(next);
    assert!(!vm.is_killed());
    drop(worker);
    assert!(!interrupter.interrupt(turn, Interruption::Kill));
}

#[test]
fn an_interruption_that_comes_after_the_last_instruction_is_forgotten() {
    let worker = Worker::new();
    let interrupter = worker.interrupter();
    let mut vm = vm_with(&[]);
    let turn = worker.turn(&mut vm);
    // A signal to oneself is delivered before the call returns.
    assert!(interrupter.interrupt(turn.number(), Interruption::Once));
    drop(turn);
    assert_eq!(run(&mut worker.turn(&mut vm), "return 1").as_deref(), Ok("1"));
}

#[test]
fn workers_are_interrupted_without_a_miss_under_load() {
    const TURNS: u64 = 200;
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let worker = Worker::new();
        send.send(worker.interrupter()).expect("the test waits");
        let mut vm = vm_with(&[]);
        for _ in 0..TURNS {
            let ended = run(&mut worker.turn(&mut vm), "while true do end");
            assert!(ended.expect_err("endless").message.contains("interrupted"));
        }
    });
    let interrupter = receive.recv().expect("the worker started");
    let mut interrupted = 0;
    while interrupted < TURNS {
        if let Some(turn) = interrupter.turn() {
            interrupter.interrupt(turn, Interruption::Once);
            interrupted = turn;
        }
    }
    worker.join().expect("every turn was interrupted");
}

#[test]
fn exit_cannot_be_caught() {
    struct Ignore;
    impl crate::vm::Hooks for Ignore {
        fn exit(&self, _code: i32, _close: bool) {}
    }
    let mut vm = Vm::builder().hooks(Ignore).build().expect("a VM");
    let code = "pcall(os.exit) after = true while true do pcall(os.exit) end";
    run(&mut vm.stack(), code).expect_err("the script is unwound");
    assert!(vm.is_killed());
    let mut stack = vm.stack();
    stack.push_globals();
    assert_eq!(stack.raw_get_field(-1, "after"), crate::vm::Kind::Nil);
}

#[test]
fn close_methods_of_a_coroutine_that_is_closed_are_interrupted() {
    let worker = Worker::new();
    let _monitor = Monitor::start(worker.interrupter(), Interruption::Kill);
    let mut vm = vm_with(&[]);
    let mut turn = worker.turn(&mut vm);
    let code = "local c <close> = setmetatable({}, {__close = function() while true do end end})
                coroutine.yield()";
    let tasks = [task(&mut turn, code), task(&mut turn, code)];
    for task in &tasks {
        assert!(matches!(turn.resume(task, 0), Resumed::Yielded(0)));
    }
    // The first is killed in its loop; the second meets a VM that is killed already.
    for task in tasks {
        let error = turn.close(&task).expect_err("the loop is interrupted");
        assert!(error.message.contains("interrupted"), "{error}");
        turn.recycle(task);
    }
}
